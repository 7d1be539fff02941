"""All that an application states, and those mounted in it, whether or not it ever applies."""

from collections.abc import Iterator

from aiohttp import hdrs, web

from routeguard.policies.exempt import exempt
from routeguard.routes.resolution import as_fallbacks, in_rules, on_handler
from routeguard.routes.scope import SCOPE, Statement
from routeguard.routes.walk import resources_in

__all__ = ["stated_in"]


def stated_in(app: web.Application) -> Iterator[Statement]:
    """Every statement of a policy in an application, rules and fallbacks first.

    One that applies in several places comes several times, with one key.
    """
    for apps, _, resource in resources_in((app,)):
        if resource is None:
            scope = apps[-1].get(SCOPE)
            groups = []
            if scope is not None:
                groups = [*in_rules(scope, range(len(scope.rules.rules))), as_fallbacks(scope)]
        else:
            groups = [
                group
                for route in resource
                for method in (hdrs.METH_ALL if isinstance(route.handler, type) else ("",))
                for level in on_handler(route.handler, method, apps[-1])
                for group in level
            ]
        for group in groups:
            yield from (one for one in group if not isinstance(one.policy, exempt))
