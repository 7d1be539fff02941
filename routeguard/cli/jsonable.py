"""What the commands answer, as data for programs."""

from collections.abc import Sequence
from typing import Any

from routeguard.finding import Finding
from routeguard.telling.explain import Explanation, PolicyExplanation
from routeguard.telling.survey import SurveyedApplication, SurveyedRoute

__all__ = ["explanation_data", "findings_data", "survey_data"]

Data = dict[str, Any]


def survey_data(
    routes: Sequence[SurveyedRoute],
    applications: Sequence[SurveyedApplication],
    kinds: Sequence[str],
) -> Data:
    """`routes --json`."""
    return {
        "kinds": list(kinds),
        "applications": [_application_data(one, kinds) for one in applications],
        "routes": [_route_data(one, kinds) for one in routes],
    }


def _application_data(application: SurveyedApplication, kinds: Sequence[str]) -> Data:
    stated = [(kind, f"{policy:full}") for kind, policy in application.fallbacks if kind in kinds]
    return {
        "mounts": list(application.mounts),
        "fallbacks": {kind: [text for one, text in stated if one == kind] for kind, _ in stated},
    }


def _route_data(route: SurveyedRoute, kinds: Sequence[str]) -> Data:
    return {
        "methods": list(route.methods),
        "path": route.path,
        "relative_path": route.relative_path,
        "mounts": list(route.mounts),
        "handler": route.handler,
        "set_up": route.set_up,
        "example": route.example,
        "split_by": list(route.split_by),
        "policies": {kind: _kind_data(route[kind]) for kind in kinds},
    }


def _kind_data(kind: PolicyExplanation) -> Data:
    return {
        "applies": [f"{policy:full}" for policy in kind.policies],
        "considered": [
            {
                "policy": f"{one.policy:full}",
                "place": one.place,
                "verdict": one.verdict,
                "status": one.status,
            }
            for one in kind.considered
        ],
        "note": kind.note,
    }


def explanation_data(explanation: Explanation) -> Data:
    """`explain --json`."""
    return {
        "method": explanation.method,
        "path": explanation.path,
        "route": explanation.route,
        "handler": explanation.handler,
        "status": explanation.status,
        "policies": {one.kind: _kind_data(one) for one in explanation.kinds},
        "address": explanation.address,
        "scheme": explanation.scheme,
        "host": explanation.host,
        "cors": explanation.cors,
        "preflight": explanation.preflight,
        "notes": list(explanation.notes),
        "rows": [list(row) for row in explanation.rows],
    }


def findings_data(findings: Sequence[Finding]) -> Data:
    """`check --json`."""
    return {
        "findings": [
            {
                "code": one.code,
                "severity": one.severity,
                "place": one.place,
                "message": one.message,
                "remedy": one.remedy,
                "places": list(one.places),
            }
            for one in findings
        ]
    }
