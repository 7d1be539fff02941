"""`check`: what looks wrong in an application's policies."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace

from aiohttp import web
from aiohttp.web_app import Application

from routeguard.configuration import ConfigError, shown
from routeguard.finding import SEVERITIES, Finding, few
from routeguard.origins.suffixes import suffix_list
from routeguard.policy import Policy, kind_name, kind_of
from routeguard.routes.walk import Walk, walk
from routeguard.telling.checks import (
    bodies,
    decorators,
    limits,
    origins,
    proxies,
    rules,
    side_effects,
)
from routeguard.telling.codes import read_codes
from routeguard.telling.statements import statements

__all__ = ["check"]

ACROSS_KINDS: tuple[Callable[[Walk], Iterator[Finding]], ...] = (
    rules.rules_without_route,
    rules.rules_shadowed,
    rules.rules_naming_several,
    decorators.overridden,
    decorators.stated_above_routes,
    decorators.misplaced,
    decorators.hidden,
    decorators.without_setup,
    origins.cors_against_csrf,
    proxies.without_proxy,
    proxies.redirected_to_other_hosts,
    side_effects.unguarded,
    limits.by_proxies_address,
    limits.by_unchecked_header,
    limits.unreadable,
    bodies.longer_than_timeout,
)
"""What is looked for beyond what each kind finds about its own policies."""


def check(app: web.Application, *, ignore: Collection[str] = ()) -> tuple[Finding, ...]:
    """What looks wrong in an application's policies.

    The application need not have started. It takes the extra `routeguard[cli]`, for the public
    suffix list. Findings that differ in nothing but the route are one, which names all the places.

    Args:
        app: the application, as it is served: the outermost one.
        ignore: codes of findings to leave out, such as `"RG301"`; those of kinds of your own
            too. Default: none.

    Returns:
        The findings, the gravest first, each severity in the order of the codes.

    Raises:
        ConfigError: it is no application, or a code is none.
        ImportError: the extra is not installed.
    """
    if not isinstance(app, Application):
        raise ConfigError(f"check({shown(app)}): the first argument is the web.Application")
    given = [ignore] if isinstance(ignore, str) else sorted(ignore)
    ignored = read_codes(given, "check")
    suffix_list()
    visited = walk(app)
    found = [finding for look in ACROSS_KINDS for finding in look(visited)]
    for policy, stated in statements(visited):
        found += _of_kind(policy, policy.findings(stated))
    kept = _grouped(finding for finding in found if finding.code not in ignored)
    return tuple(sorted(kept, key=lambda one: (SEVERITIES.index(one.severity), one.code)))


def _of_kind(policy: Policy, findings: Iterable[Finding]) -> Iterator[Finding]:
    for finding in findings:
        if finding.code not in policy.finding_codes:
            name = kind_name(kind_of(type(policy)))
            raise ConfigError(
                f"{name}: it finds {finding.code!r}, which is not among its codes: write "
                f"finding_codes = {{{finding.code!r}: 'what is wrong, in a few words'}}"
            )
        yield finding


def _grouped(findings: Iterable[Finding]) -> list[Finding]:
    """Findings of which those that differ only in the route are one."""
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        apart = () if _names_route(finding.place) else (finding.place,)
        key = (finding.code, finding.severity, finding.message, finding.remedy, *apart)
        groups.setdefault(key, []).append(finding)
    return [_as_one(several) for several in groups.values()]


def _names_route(place: str) -> bool:
    return not place.startswith(("rule ", "fallback", "application"))


def _as_one(several: list[Finding]) -> Finding:
    if len(several) == 1:
        return several[0]
    places = tuple(dict.fromkeys(place for finding in several for place in finding.places))
    return replace(several[0], place=few(places), places=places)
