"""What the three commands do: ask, and write the answer for people or for programs."""

import argparse
import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from aiohttp import web
from multidict import CIMultiDict

from routeguard.cli.explain_report import explain_report
from routeguard.cli.jsonable import explanation_data, findings_data, survey_data
from routeguard.cli.output import CommandError, show_findings, show_lines, write
from routeguard.cli.routes_report import routes_report
from routeguard.telling.check import check
from routeguard.telling.codes import read_codes
from routeguard.telling.explain import explain
from routeguard.telling.survey import SurveyedRoute, survey

__all__ = ["check_policies", "explain_request", "routes"]


def routes(app: web.Application, options: argparse.Namespace) -> int:
    """Shows the routes; returns the exit status."""
    surveyed = survey(app)
    only = [kind.lower() for kind in _listed(options.only)]
    for kind in only:
        if kind not in surveyed.kinds:
            raise CommandError(f"no kind of policy is {kind!r}: {', '.join(surveyed.kinds)}")
    found = [one for one in surveyed.routes if _is_below(one, options.path)]
    kinds = [kind for kind in surveyed.kinds if kind in (only or surveyed.kinds)]
    if options.json:
        data = survey_data(found, surveyed.applications, kinds)
        return write(json.dumps(data, indent=2))
    everything = options.all or bool(only)
    return show_lines(routes_report(found, surveyed.applications, kinds, everything=everything))


def _is_below(route: SurveyedRoute, prefix: str | None) -> bool:
    if prefix is None:
        return True
    within = prefix.removesuffix("*").strip("/")
    return not within or f"{route.path}/".startswith(f"/{within}/")


def explain_request(app: web.Application, options: argparse.Namespace) -> int:
    """Explains one request; returns the exit status."""
    with _without_refusals_logged():
        explanation = explain(
            app,
            options.method,
            options.path,
            origin=options.origin,
            host=options.host,
            headers=CIMultiDict(options.header),
            peer=options.peer,
        )
    if options.json:
        return write(json.dumps(explanation_data(explanation), indent=2))
    return show_lines(explain_report(explanation))


@contextmanager
def _without_refusals_logged() -> Iterator[None]:
    # A predicate that fails for want of a server is told of in the answer.
    log = logging.getLogger("routeguard.cors")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)


def check_policies(app: web.Application, options: argparse.Namespace) -> int:
    """Shows what looks wrong; returns the exit status."""
    findings = check(app, ignore=read_codes(_listed(options.ignore), "--ignore"))
    if options.json:
        write(json.dumps(findings_data(findings), indent=2))
    else:
        show_findings(findings)
    grave = ("error", "warning") if options.strict else ("error",)
    return int(any(finding.severity in grave for finding in findings))


def _listed(options: Iterable[str]) -> list[str]:
    return [one.strip() for option in options for one in option.split(",") if one.strip()]
