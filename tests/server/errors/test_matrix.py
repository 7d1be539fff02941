"""Everything that can be raised, under every kind of policy, at every stage of the response."""

import json

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

import routeguard
from routeguard import csrf, error_context, errors, problem_details
from tests.server.errors.cases import CASES, Case, Told, http_exception_classes
from tests.support.extent import part
from tests.support.rawhttp import Reply, get, read_reply, talk

STAGES = ("before", "started", "finished")


async def one_argument(request: web.Request) -> web.Response:
    with error_context(request) as context:
        return web.Response(text=type(context.err).__name__, status=context.status)


async def two_arguments(request: web.Request, error: Exception) -> web.Response:
    with error_context(request) as context:
        assert context.err is error
        return web.Response(text=type(error).__name__, status=context.status)


async def failing(request: web.Request) -> web.Response:
    raise ZeroDivisionError("the error handler itself")


async def answering_by_raising(request: web.Request) -> web.Response:
    raise web.HTTPConflict(text="conflict")


async def returning_nothing(request: web.Request) -> web.Response:
    return None  # type: ignore[return-value]


COLUMNS: dict[str, routeguard.Policy] = {
    "no policy": csrf(),  # one of another kind, so that there is something to dispatch
    "default": errors(),
    "problem details": errors(problem_details),
    "one argument": errors(one_argument),
    "two arguments": errors(two_arguments),
    "on": errors(
        on={
            (OSError, TimeoutError): 503,
            Exception: 500,
            web.HTTPClientError: 410,
            KeyError: 404,
            Told: two_arguments,
        }
    ),
    "ignore": errors(ignore=Exception),
    "failing": errors(failing),
    "answering by raising": errors(answering_by_raising),
    "returning nothing": errors(returning_nothing),
}


BY_NAME = {case.name: case for case in CASES}
CLASSES = {kind.__name__ for kind in http_exception_classes()}  # of aiohttp, and much alike
TRIED = [
    *part([case for case in CASES if case.name in CLASSES], 5),
    *(case for case in CASES if case.name not in CLASSES),
]


async def raising(request: web.Request) -> web.StreamResponse:
    stage = request.match_info["stage"]
    if stage != "before":
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"part")
        if stage == "finished":
            await response.write_eof()
    raise BY_NAME[request.match_info["case"]].make()


def application(*policies: routeguard.Policy) -> web.Application:
    app = web.Application()
    app.router.add_get("/{case}/{stage}", raising)
    if policies:
        routeguard.setup(app, *policies)
    return app


def by_mapping(case: Case) -> int | None:
    """The status under the column "on", by the classes as they were written."""
    error = case.make()
    leaves = []
    if case.name in ("group-agreeing", "group-http"):
        assert isinstance(error, ExceptionGroup)
        leaves = list(error.exceptions)
    for one in leaves or [error]:
        if isinstance(one, KeyError):
            return 404
        if isinstance(one, web.HTTPClientError):
            return 410
        if isinstance(one, OSError | TimeoutError):
            return 503
        if isinstance(one, Told):
            return case.status
    return 500


def expected_status(case: Case, column: str) -> int | None:
    if column in ("failing", "returning nothing"):
        return 500
    if column == "answering by raising":
        return 409
    return by_mapping(case) if column == "on" else case.status


def without_date(received: bytes) -> list[bytes]:
    return [line for line in received.split(b"\r\n") if not line.startswith(b"Date:")]


def answered_once(received: bytes) -> bool:
    return received.count(b"HTTP/1.") == 1


def check_before(case: Case, column: str, received: bytes, bare: bytes) -> str | None:
    if case.status == 0:
        return None if received == b"" else "answered, though cancelled"
    if case.status is None or column in ("no policy", "ignore"):
        return None if without_date(received) == without_date(bare) else "not as without a policy"
    if not answered_once(received):
        return "not answered once"
    reply = read_reply(received)
    if reply.status != expected_status(case, column):
        return f"{reply.status} instead of {expected_status(case, column)}"
    if not reply.complete or reply.rest:
        return "not a complete answer"
    return check_body(case, column, reply)


def check_body(case: Case, column: str, reply: Reply) -> str | None:
    if case.name in ("hostile", "mute"):
        return None  # whoever asks them for a text fails
    if column in ("one argument", "two arguments"):
        right = reply.body.decode() == type(case.make()).__name__
    elif column == "default":
        right = reply.headers["Content-Type"] == "application/json; charset=utf-8" and (
            isinstance(json.loads(reply.body), dict)
        )
    elif column == "problem details":
        right = json.loads(reply.body)["status"] == reply.status
    elif column == "answering by raising":
        right = reply.body == b"conflict"
    elif column in ("failing", "returning nothing"):
        right = reply.body.startswith(b"500 Internal Server Error")
    else:
        right = bool(reply.body)
    return None if right else f"the body {reply.body[:80]!r}"


def check_after(case: Case, column: str, stage: str, received: bytes, bare: bytes) -> str | None:
    if column == "no policy":
        return None if without_date(received) == without_date(bare) else "not as without a policy"
    if not answered_once(received):
        return "answered twice"
    reply = read_reply(received)
    if (reply.status, reply.body, reply.rest) != (200, b"part", b""):
        return f"{reply}"
    if reply.complete != (stage == "finished"):
        return "complete" if reply.complete else "cut off"
    return None


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("column", COLUMNS)
async def test_everything_raised_is_answered_once_or_not_at_all(
    aiohttp_server: AiohttpServer, column: str, stage: str
) -> None:
    """Whatever is raised; a hanging answer would run into the client's bound."""
    server = await aiohttp_server(application(COLUMNS[column]))
    bare_server = await aiohttp_server(application())
    wrong = {}
    for case in TRIED:
        request = get(f"/{case.name}/{stage}")
        received = await talk(request, port=server.port)
        bare = b""
        if column in ("no policy", "ignore") or case.status is None:
            bare = await talk(request, port=bare_server.port)
        if stage == "before":
            fault = check_before(case, column, received, bare)
        else:
            fault = check_after(case, column, stage, received, bare)
        if fault is not None:
            wrong[case.name] = fault
    assert wrong == {}


def test_no_class_of_aiohttp_is_left_out() -> None:
    assert BY_NAME.keys() >= CLASSES
    assert len(CLASSES) > 50
