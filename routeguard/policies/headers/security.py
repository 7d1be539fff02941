"""`security_headers`: what the OWASP Secure Headers Project recommends, as one `headers`."""

from typing import Literal, TypeAlias

from routeguard.configuration import Faults, shown
from routeguard.policies.headers.fields import read_fields
from routeguard.policies.headers.policy import headers

__all__ = ["security_headers"]

Choice: TypeAlias = str | Literal[False] | None

# The project's list of July 2026 (owasp.org/www-project-secure-headers, best practices).
RECOMMENDED = {
    "Content-Security-Policy": (
        "default-src 'self'; form-action 'self'; base-uri 'self'; object-src 'none'; "
        "frame-ancestors 'none'; upgrade-insecure-requests"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "deny",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": (
        "accelerometer=(), autoplay=(), camera=(), cross-origin-isolated=(), display-capture=(), "
        "encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), keyboard-map=(), "
        "magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(), "
        "publickey-credentials-get=(), screen-wake-lock=(), sync-xhr=(self), usb=(), "
        "web-share=(), xr-spatial-tracking=(), clipboard-read=(), clipboard-write=(), gamepad=(), "
        "hid=(), idle-detection=(), interest-cohort=(), serial=(), unload=()"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store, max-age=0",
    "X-DNS-Prefetch-Control": "off",
    "X-Permitted-Cross-Domain-Policies": "none",
}


def security_headers(
    csp: Choice = None,
    *,
    content_type_options: Choice = None,
    frame_options: Choice = None,
    referrer_policy: Choice = None,
    permissions_policy: Choice = None,
    opener_policy: Choice = None,
    embedder_policy: Choice = None,
    resource_policy: Choice = None,
    cache_control: Choice = None,
    dns_prefetch_control: Choice = None,
    cross_domain_policies: Choice = None,
    replace: bool = False,
) -> headers:
    """A `headers` with what the OWASP Secure Headers Project recommends (July 2026).

    Each header can be given as a text or left out with `False`; `None`, the default, is the
    recommendation. Of the project's list two are not here: `Strict-Transport-Security` is sent
    over HTTPS only, and so is `https(hsts=...)`; `Clear-Site-Data` logs users out, and belongs
    on the route that does.

    Args:
        csp: `Content-Security-Policy` (W3C, CSP3). Recommended: everything from this origin
            alone, no frames around it, plain HTTP upgraded.
        content_type_options: `X-Content-Type-Options`. Recommended: `nosniff`.
        frame_options: `X-Frame-Options` (RFC 7034). Recommended: `deny`.
        referrer_policy: `Referrer-Policy`. Recommended: `no-referrer`.
        permissions_policy: `Permissions-Policy`. Recommended: no device and no feature.
        opener_policy: `Cross-Origin-Opener-Policy`. Recommended: `same-origin`.
        embedder_policy: `Cross-Origin-Embedder-Policy`. Recommended: `require-corp`.
        resource_policy: `Cross-Origin-Resource-Policy`. Recommended: `same-origin`; it does not
            concern what `cors` shares.
        cache_control: `Cache-Control` (RFC 9111, section 5.2). Recommended:
            `no-store, max-age=0`.
        dns_prefetch_control: `X-DNS-Prefetch-Control`. Recommended: `off`.
        cross_domain_policies: `X-Permitted-Cross-Domain-Policies`. Recommended: `none`.
        replace: whether a header that the handler has set is replaced. Default: it stays.

    Returns:
        The policy.

    Raises:
        ConfigError: a value that cannot be written, or nothing is left to write.
    """
    choices: dict[str, Choice] = {
        "Content-Security-Policy": csp,
        "X-Content-Type-Options": content_type_options,
        "X-Frame-Options": frame_options,
        "Referrer-Policy": referrer_policy,
        "Permissions-Policy": permissions_policy,
        "Cross-Origin-Opener-Policy": opener_policy,
        "Cross-Origin-Embedder-Policy": embedder_policy,
        "Cross-Origin-Resource-Policy": resource_policy,
        "Cache-Control": cache_control,
        "X-DNS-Prefetch-Control": dns_prefetch_control,
        "X-Permitted-Cross-Domain-Policies": cross_domain_policies,
    }
    faults = Faults("security_headers(...)")
    values: dict[str, str | None] = {}
    for name, choice in choices.items():
        if choice is None:
            values[name] = RECOMMENDED[name]
        elif not isinstance(choice, str) and choice is not False:
            faults.add(
                f"{name!r}: {shown(choice)} is no text: write a str, False to leave the header "
                f"out, or nothing for the recommended value"
            )
        elif isinstance(choice, str):
            values[name] = choice
    read_fields(values, faults)
    if not isinstance(replace, bool):
        faults.add(f"replace={shown(replace)} is no bool: write replace=True")
    faults.raise_any()
    return headers(values, replace=replace)
