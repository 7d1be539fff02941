"""The arguments that `python -m routeguard` takes."""

import argparse
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from aiohttp import web

from routeguard.cli import answers

__all__ = ["PROG", "make_parser"]

PROG = "python -m routeguard"


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROG,
        description="What applies to the routes of an aiohttp application, and why.",
        epilog=f"Example: {PROG} routes shop.web:make_app --path /api --only cors",
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    routes = _command(commands, "routes", answers.routes, "every route, and what applies to it")
    routes.add_argument(
        "--only",
        metavar="KIND[,KIND...]",
        action="append",
        default=[],
        help="show these kinds of policy only: cors, timeout ...",
    )
    routes.add_argument(
        "--all",
        action="store_true",
        help="show for each route all that applies to it, fallbacks too",
    )
    routes.add_argument("--path", metavar="/PREFIX", help="show the routes at and below this path")

    explaining = _command(
        commands, "explain", answers.explain_request, "what applies to one request, and why"
    )
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
    explaining.add_argument(
        "--peer",
        metavar="ADDRESS",
        help="where the connection comes from: a proxy's address, or unix",
    )

    checking = _command(
        commands,
        "check",
        answers.check_policies,
        "what looks wrong; exit status 1 if anything is an error",
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
