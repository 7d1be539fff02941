"""The codes by which findings are known."""

from routeguard.finding import SEVERITIES, Finding, Severity

__all__ = ["CODES", "SEVERITIES", "Finding", "Severity"]

CODES = {
    "RG101": "a rule that matches no route",
    "RG102": "a rule that an earlier one shadows",
    "RG103": "a policy that a later decorator overrides",
    "RG104": "a policy above the route decorator",
    "RG105": "a policy in the handler's place",
    "RG106": "policies on a route that no setup covers",
    "RG107": "a canonical rule for several resources",
    "RG108": "a policy hidden under a decorator",
    "RG201": "plain-http origins trusted",
    "RG202": "a wildcard under a public suffix",
    "RG203": "an origin regex that matches more than it looks",
    "RG204": "cors allows what csrf refuses",
    "RG301": "a shield on routes that only read",
    "RG302": "side effects with neither shield nor timeout",
    "RG303": "a timeout longer than proxies wait",
    "RG401": "https believes everyone",
    "RG501": "problem_details without content negotiation",
}
"""Each code with its title. A code keeps its meaning for ever."""
