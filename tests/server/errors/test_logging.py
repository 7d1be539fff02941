"""What is logged of an error: once, with the request and the route, and not at all below 500."""

import logging
from collections.abc import Callable, Iterator

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

import routeguard
from routeguard import errors, get_error_response, problem_details
from tests.server.errors.cases import Told, make_http_exception
from tests.support.rawhttp import get, read_reply, talk


class Log(logging.Handler):
    """Everything that reaches the root."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name not in ("aiohttp.access", "asyncio"):
            self.records.append(record)

    def of(self, name: str) -> list[logging.LogRecord]:
        return [record for record in self.records if record.name == name]


@pytest.fixture
def log() -> Iterator[Log]:
    handler = Log()
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


def told(record: logging.LogRecord) -> str:
    """A record as it is written, traceback included."""
    return logging.Formatter("%(message)s").format(record)


async def asked(
    aiohttp_server: AiohttpServer,
    make: Callable[[], BaseException],
    *policies: routeguard.Policy,
    path: str = "/reports/7",
    pattern: str = "/reports/{id}",
    method: str = "GET",
) -> int:
    async def handler(request: web.Request) -> web.Response:
        raise make()

    app = web.Application()
    app.router.add_route("*", pattern, handler)
    routeguard.setup(app, *policies)
    server = await aiohttp_server(app)
    received = await talk(get(path, method=method), port=server.port)
    return read_reply(received, method=method).status


@pytest.mark.parametrize(
    ("make", "policy", "status"),
    [
        (lambda: KeyError("lost"), errors(), 500),
        (lambda: KeyError("lost"), errors(problem_details), 500),
        (lambda: KeyError("lost"), errors(on={KeyError: 503}), 503),
        (lambda: TimeoutError("late"), errors(), 504),
        (lambda: web.HTTPBadGateway(), errors(), 502),
        (lambda: web.HTTPNotFound(), errors(on={web.HTTPNotFound: 500}), 500),
        (lambda: Told(status=599), errors(), 599),
        (lambda: ExceptionGroup("g", [KeyError("a"), OSError("b")]), errors(), 500),
    ],
)
async def test_500_and_more_is_logged_once_with_traceback(
    aiohttp_server: AiohttpServer,
    log: Log,
    make: Callable[[], Exception],
    policy: errors,
    status: int,
) -> None:
    assert await asked(aiohttp_server, make, policy, method="PUT") == status
    assert len(log.records) == 1
    (record,) = log.of("routeguard.errors")
    assert record.levelno == logging.ERROR
    assert record.getMessage() == f"PUT /reports/7 (/reports/{{id}}) failed with {status}"
    assert record.exc_info is not None and type(record.exc_info[1]) is type(make())
    assert "raise make()" in told(record)


@pytest.mark.parametrize(
    ("make", "policy", "status"),
    [
        *((lambda kind=kind: make_http_exception(kind), errors(), kind.status_code)
          for kind in (web.HTTPBadRequest, web.HTTPNotFound, web.HTTPMethodNotAllowed,
                       web.HTTPRequestEntityTooLarge, web.HTTPTooManyRequests)),
        (lambda: KeyError("lost"), errors(on={KeyError: 404}), 404),
        (lambda: web.HTTPBadGateway(), errors(on={web.HTTPBadGateway: 424}), 424),
        (lambda: Told(status=418), errors(problem_details), 418),
        (lambda: web.HTTPFound("/x"), errors(), 302),
        (lambda: web.HTTPNoContent(), errors(), 204),
        (
            lambda: ExceptionGroup("g", [KeyError("a"), KeyError("b")]),
            errors(on={KeyError: 404}),
            404,
        ),
    ],
)  # fmt: skip
async def test_less_than_500_is_not_logged(
    aiohttp_server: AiohttpServer,
    log: Log,
    make: Callable[[], Exception],
    policy: errors,
    status: int,
) -> None:
    assert await asked(aiohttp_server, make, policy) == status
    assert log.records == []


async def test_the_whole_group_is_in_the_log(aiohttp_server: AiohttpServer, log: Log) -> None:
    def make() -> Exception:
        inner = ExceptionGroup("inner", [OSError("second"), ValueError("third")])
        return ExceptionGroup("outer", [KeyError("first"), inner])

    assert await asked(aiohttp_server, make, errors(on={KeyError: 404})) == 500
    written = told(log.records[0])
    for part in ("outer", "inner", "first", "second", "third"):
        assert part in written


async def test_a_group_answered_by_a_mapping_of_500_is_logged_whole(
    aiohttp_server: AiohttpServer, log: Log
) -> None:
    def make() -> Exception:
        return ExceptionGroup("outer", [KeyError("first"), KeyError("second")])

    assert await asked(aiohttp_server, make, errors(on={KeyError: 503})) == 503
    assert "second" in told(log.records[0])


async def test_what_matches_no_route_is_logged_with_its_path(
    aiohttp_server: AiohttpServer, log: Log
) -> None:
    policy = errors(on={web.HTTPNotFound: 500})
    assert await asked(aiohttp_server, KeyError, policy, path="/nowhere") == 500
    assert log.records[0].getMessage() == "GET /nowhere (no route) failed with 500"


async def test_ignored_errors_are_left_to_aiohttp(aiohttp_server: AiohttpServer, log: Log) -> None:
    assert await asked(aiohttp_server, KeyError, errors(ignore=LookupError)) == 500
    assert log.of("routeguard.errors") == []
    assert len(log.of("aiohttp.server")) == 1


@pytest.mark.parametrize(
    "path", ["/reports/a%0AERROR%20forged", "/reports/a%0D%0Aforged", "/reports/a%1B%5B2Jforged"]
)
async def test_a_path_cannot_forge_a_line_of_the_log(
    aiohttp_server: AiohttpServer, log: Log, path: str
) -> None:
    assert await asked(aiohttp_server, KeyError, errors(), path=path) == 500
    message = log.records[0].getMessage()
    assert "forged" in message and message.isprintable()


# --- error handlers that fail ---------------------------------------------------------------------


async def failing(request: web.Request) -> web.Response:
    raise ZeroDivisionError("the handler itself")


async def failing_from_none(request: web.Request) -> web.Response:
    raise ZeroDivisionError("the handler itself") from None


async def failing_from_another(request: web.Request) -> web.Response:
    try:
        raise IndexError("on the way")
    except IndexError as another:
        raise ZeroDivisionError("the handler itself") from another


@pytest.mark.parametrize("handler", [failing, failing_from_none, failing_from_another])
@pytest.mark.parametrize("status", [404, 503])
async def test_a_failing_handler_is_logged_with_both_tracebacks(
    aiohttp_server: AiohttpServer, log: Log, handler: Callable[..., object], status: int
) -> None:
    policy = errors(handler, on={KeyError: status})  # type: ignore[arg-type]
    assert await asked(aiohttp_server, lambda: KeyError("lost"), policy) == 500
    (last,) = log.of("routeguard.errors")
    assert last.levelno == logging.ERROR
    assert f"error handler {handler.__name__} failed" in last.getMessage()
    assert "GET" in last.getMessage() and "/reports/7" in last.getMessage()
    written = told(last)
    assert "ZeroDivisionError: the handler itself" in written
    assert "KeyError: 'lost'" in written


async def test_a_handler_that_returns_no_response_is_named(
    aiohttp_server: AiohttpServer, log: Log
) -> None:
    async def nothing(request: web.Request) -> web.Response:
        return None  # type: ignore[return-value]

    assert await asked(aiohttp_server, KeyError, errors(nothing)) == 500
    assert "error handler nothing returned None" in told(log.of("routeguard.errors")[-1])


async def test_a_handler_that_answers_by_raising_has_not_failed(
    aiohttp_server: AiohttpServer, log: Log
) -> None:
    async def hiding(request: web.Request) -> web.Response:
        raise web.HTTPNotFound

    assert await asked(aiohttp_server, web.HTTPForbidden, errors(hiding)) == 404
    assert log.records == []


async def test_outside_the_block_that_caught_the_error_both_are_logged_too(
    aiohttp_server: AiohttpServer, log: Log
) -> None:
    async def view(request: web.Request) -> web.StreamResponse:
        caught: Exception
        try:
            raise KeyError("lost")
        except KeyError as error:
            caught = error
        return await get_error_response(request, caught, default_handler=failing)

    app = web.Application()
    app.router.add_get("/", view)
    server = await aiohttp_server(app)
    assert read_reply(await talk(get("/"), port=server.port)).status == 500
    *_, last = log.of("routeguard.errors")
    assert "KeyError: 'lost'" in told(last) and "ZeroDivisionError" in told(last)


class Hostile(Exception):
    @property
    def status(self) -> int:
        raise RuntimeError("no status")


async def test_an_error_that_fails_to_tell_its_status_is_a_500_in_the_log(
    aiohttp_server: AiohttpServer, log: Log
) -> None:
    assert await asked(aiohttp_server, Hostile, errors()) == 500
    (record,) = log.of("routeguard.errors")
    assert "Hostile" in told(record)


async def test_code_that_catches_by_itself_is_logged_too(
    aiohttp_server: AiohttpServer, log: Log
) -> None:
    @web.middleware
    async def catching(
        request: web.Request, handler: Callable[[web.Request], object]
    ) -> web.StreamResponse:
        try:
            return await handler(request)  # type: ignore[misc, no-any-return]
        except Exception as error:
            return await get_error_response(request, error)

    async def broken(request: web.Request) -> web.Response:
        raise KeyError("lost")

    app = web.Application(middlewares=[catching])
    app.router.add_get("/", broken)
    server = await aiohttp_server(app)
    assert read_reply(await talk(get("/"), port=server.port)).status == 500
    (record,) = log.records
    assert record.name == "routeguard.errors"
    assert record.getMessage().startswith("GET / ") and "KeyError" in told(record)
