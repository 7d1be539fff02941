"""`check`: what looks wrong in an application's policies."""

from collections.abc import Callable, Collection, Iterator

from aiohttp import web
from aiohttp.web_app import Application

from routeguard.configuration import ConfigError, shown
from routeguard.routes.walk import Walk, walk
from routeguard.telling.checks import decorators, origins, rules, running
from routeguard.telling.checks.suffixes import suffix_list
from routeguard.telling.finding import CODES, SEVERITIES, Finding, Severity

__all__ = ["CODES", "SEVERITIES", "Finding", "Severity", "check"]

CHECKS: tuple[Callable[[Walk], Iterator[Finding]], ...] = (
    rules.rules_without_route,
    rules.rules_shadowed,
    rules.rules_naming_several,
    decorators.overridden,
    decorators.stated_above_routes,
    decorators.misplaced,
    decorators.hidden,
    decorators.without_setup,
    origins.plain_http_origins,
    origins.public_suffix_wildcards,
    origins.loose_regexes,
    origins.cors_against_csrf,
    running.shields_that_guard_nothing,
    running.unguarded_side_effects,
    running.long_fallbacks,
    running.everyone_believed,
    running.missing_negotiation,
)


def check(app: web.Application, *, ignore: Collection[str] = ()) -> tuple[Finding, ...]:
    """What looks wrong in an application's policies.

    The application need not have started. It takes the extra `routeguard[cli]`, for the public
    suffix list.

    Args:
        app: the application, as it is served: the outermost one.
        ignore: codes of findings to leave out, such as `"RG301"`. Default: none.

    Returns:
        The findings, the gravest first, each severity in the order of the codes.

    Raises:
        ConfigError: it is no application, or a code is none.
        ImportError: the extra is not installed.
    """
    if not isinstance(app, Application):
        raise ConfigError(f"check({shown(app)}): the first argument is the web.Application")
    ignored = {ignore} if isinstance(ignore, str) else set(ignore)
    for code in sorted(ignored - CODES.keys()):
        raise ConfigError(f"check: {code!r} is no code: there are {', '.join(CODES)}")
    suffix_list()
    visited = walk(app)
    found = [finding for look in CHECKS for finding in look(visited)]
    kept = [finding for finding in found if finding.code not in ignored]
    return tuple(sorted(kept, key=lambda one: (SEVERITIES.index(one.severity), one.code)))
