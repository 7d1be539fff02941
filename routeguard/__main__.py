"""`python -m routeguard`: see, explain and check what applies to the routes of an application."""

import argparse
import json
import logging
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from aiohttp import web
from multidict import CIMultiDict

from routeguard.cli.jsonable import explanation_data, findings_data, survey_data
from routeguard.cli.loading import TargetError, load_application
from routeguard.configuration import ConfigError
from routeguard.telling.check import check
from routeguard.telling.codes import read_codes
from routeguard.telling.explain import explain
from routeguard.telling.survey import SurveyedRoute, survey

if TYPE_CHECKING:
    from rich.console import RenderableType

PROG = "python -m routeguard"
WIDTH_OF_PIPES = 100
LEAST_WIDTH = 20

Rendering = Callable[[int], "Iterable[RenderableType]"]


class CommandError(Exception):
    """What a command cannot do, in one line."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit status."""
    given = list(sys.argv[1:] if argv is None else argv)
    split = given.index("--") if "--" in given else len(given)
    options = _parser().parse_args(given[:split])
    if sys.path[0] not in ("", os.getcwd()):
        sys.path.insert(0, os.getcwd())
    try:
        app = load_application(options.target, given[split + 1 :])
        status: int = options.run(app, options)
    except (TargetError, CommandError, ConfigError, ImportError) as error:
        if options.traceback and error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        line = " ".join(str(error).split())
        print(f"{PROG}: {line}", file=sys.stderr)
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROG,
        description="What applies to the routes of an aiohttp application, and why.",
        epilog=f"Example: {PROG} routes shop.web:make_app --path /api --only cors",
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    routes = _command(commands, "routes", _routes, "every route, and what applies to it")
    routes.add_argument(
        "--only",
        metavar="KIND[,KIND...]",
        action="append",
        default=[],
        help="show these kinds of policy only: cors, timeout ...",
    )
    routes.add_argument("--path", metavar="/PREFIX", help="show the routes at and below this path")

    explaining = _command(commands, "explain", _explain, "what applies to one request, and why")
    explaining.add_argument("method", metavar="METHOD", help="GET, PUT ...")
    explaining.add_argument("path", metavar="/PATH", help="percent-encoded, as clients send it")
    explaining.add_argument("--origin", help="the origin of the page that sends it")
    explaining.add_argument("--host", help="the Host header")
    explaining.add_argument(
        "--header",
        metavar="'NAME: VALUE'",
        action="append",
        default=[],
        type=_header,
        help="a further header; may be given several times",
    )

    checking = _command(
        commands, "check", _check, "what looks wrong; exit status 1 if anything is an error"
    )
    checking.add_argument(
        "--ignore",
        metavar="CODE[,CODE...]",
        action="append",
        default=[],
        help="leave these findings out: RG301,RG302",
    )
    checking.add_argument(
        "--strict", action="store_true", help="exit status 1 for warnings as well"
    )
    return parser


def _version() -> str:
    try:
        return version("routeguard")
    except PackageNotFoundError:
        return "not installed: run from a directory of sources"


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[web.Application, argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=summary,
        description=f"Shows {summary}.",
        epilog="Exit status 2: the target cannot be loaded, or the arguments are wrong.",
    )
    command.set_defaults(run=run)
    command.add_argument(
        "target",
        metavar="MODULE:ATTRIBUTE",
        help="a web.Application, or a factory of one (async or not); its arguments follow after --",
    )
    command.add_argument("--json", action="store_true", help="answer with JSON")
    command.add_argument(
        "--traceback", action="store_true", help="show where the application's own code failed"
    )
    return command


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is no header: write 'Name: value'")
    return name.strip(), value.strip()


def _listed(options: Iterable[str]) -> list[str]:
    return [one.strip() for option in options for one in option.split(",") if one.strip()]


# --- the commands ---------------------------------------------------------------------------------


def _routes(app: web.Application, options: argparse.Namespace) -> int:
    surveyed = survey(app)
    only = [kind.lower() for kind in _listed(options.only)]
    for kind in only:
        if kind not in surveyed.kinds:
            raise CommandError(f"no kind of policy is {kind!r}: {', '.join(surveyed.kinds)}")
    routes = [one for one in surveyed.routes if _is_below(one, options.path)]
    stated = {kind.kind for route in routes for kind in route.kinds if kind.considered}
    kinds = [kind for kind in surveyed.kinds if kind in (only or stated)]
    unstated = [] if only else [kind for kind in surveyed.kinds if kind not in stated]
    if options.json:
        data = survey_data(routes, only or surveyed.kinds)
        return _write(json.dumps(data, indent=2))
    report = _report()
    return _show(lambda width: report.routes_report(routes, kinds, unstated, width))


def _is_below(route: SurveyedRoute, prefix: str | None) -> bool:
    if prefix is None:
        return True
    within = prefix.removesuffix("*").strip("/")
    return not within or f"{route.path}/".startswith(f"/{within}/")


def _explain(app: web.Application, options: argparse.Namespace) -> int:
    with _without_refusals_logged():
        try:
            explanation = explain(
                app,
                options.method,
                options.path,
                origin=options.origin,
                host=options.host,
                headers=CIMultiDict(options.header),
            )
        except RuntimeError as error:  # a resource that only a running server can ask
            raise CommandError(str(error)) from error
    if options.json:
        return _write(json.dumps(explanation_data(explanation), indent=2))
    report = _report()
    return _show(lambda width: report.explanation_report(explanation))


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


def _check(app: web.Application, options: argparse.Namespace) -> int:
    findings = check(app, ignore=read_codes(_listed(options.ignore), "--ignore"))
    if options.json:
        _write(json.dumps(findings_data(findings), indent=2))
    else:
        report = _report()
        _show(lambda width: report.findings_report(findings))
    grave = ("error", "warning") if options.strict else ("error",)
    return int(any(finding.severity in grave for finding in findings))


def _report() -> Any:
    """The module that renders; rich comes with an extra."""
    try:
        from routeguard.cli import report
    except ModuleNotFoundError as error:
        raise CommandError(
            f"{error.name} is not installed: pip install 'routeguard[cli]' (--json works without)"
        ) from error
    return report


def _show(rendering: Rendering) -> int:
    width = max(shutil.get_terminal_size((WIDTH_OF_PIPES, 24)).columns, LEAST_WIDTH)
    return _write(_report().printed(rendering(width), width))


def _write(text: str) -> int:
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # an ASCII terminal has no ellipsis
    try:
        print(text, flush=True)
    except OSError as error:
        # Python would try once more on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # `| head` has seen enough, which is no fault
            raise CommandError(f"writing failed: {error.strerror}") from error
    return 0


if __name__ == "__main__":
    sys.exit(main())
