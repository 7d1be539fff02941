"""`errors` as a value: what it takes and refuses, and which mapping, status and handler win."""

import functools
import itertools
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from routeguard import ConfigError, HandlerTimeout, default_error_handler, errors, problem_details
from tests.support.requests import a_request


async def one(request: web.Request) -> web.Response:
    return web.Response()


async def two(request: web.Request, error: Exception) -> web.Response:
    return web.Response()


async def optional(request: web.Request, error: Exception | None = None) -> web.Response:
    return web.Response()


async def three(request: web.Request, error: Exception, extra: object) -> web.Response:
    return web.Response()


def sync(request: web.Request) -> web.Response:
    return web.Response()


@dataclass(frozen=True)
class Answering:
    text: str

    async def __call__(self, request: web.Request, error: Exception) -> web.Response:
        return web.Response(text=self.text)


class Service:
    async def answer(self, request: web.Request) -> web.Response:
        return web.Response()

    def sync_answer(self, request: web.Request) -> web.Response:
        return web.Response()


@pytest.mark.parametrize(
    "handler",
    [one, two, optional, Service().answer, Answering("x"), functools.partial(three, extra=1)],
    ids=repr,
)
def test_async_handlers_of_one_or_two_arguments_are_taken(handler: Any) -> None:
    policy = errors(handler)
    assert policy.handler is handler or policy.handler == handler
    assert errors(on={KeyError: handler}).on == ((KeyError, handler),)


async def test_a_handler_that_can_take_the_error_is_given_it() -> None:
    took: list[object] = []

    async def with_default(request: web.Request, error: Exception | None = None) -> web.Response:
        took.append(error)
        return web.Response()

    async def with_any(*both: object) -> web.Response:
        took.append(both[1])
        return web.Response()

    error = KeyError("lost")
    for handler in (with_default, with_any):
        await errors(handler).answer(a_request(), error, "here")
    assert took == [error, error]


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (sync, "sync is not async: write async def sync"),
        (Service().sync_answer, "not async"),
        (lambda request: None, "not async"),
        (three, r"takes neither \(request\) nor \(request, error\)"),
        (Answering, "no error handler"),
        (web.HTTPNotFound, "no error handler"),
        (404, "no error handler"),
        (None, "no error handler"),
        ("handler", "no error handler"),
    ],
)
def test_what_is_no_handler_is_refused_at_once(handler: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        errors(handler)


@pytest.mark.parametrize("outcome", [200, 302, 399, 600, 0, -404, True, 404.0, "404", None, sync])
def test_an_outcome_is_an_errors_status_or_a_handler(outcome: Any) -> None:
    with pytest.raises(ConfigError, match="on: "):
        errors(on={KeyError: outcome})


@pytest.mark.parametrize("status", [400, 404, 500, 599])
def test_every_errors_status_can_be_an_outcome(status: int) -> None:
    assert errors(on={KeyError: status}).on == ((KeyError, status),)


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"on": {404: KeyError}}, "404 is no exception type: write web.HTTPNotFound"),
        ({"on": {KeyboardInterrupt: 500}}, "KeyboardInterrupt is no Exception"),
        ({"on": {(KeyError, int): 404}}, "no exception type"),
        ({"on": {KeyError: 404, (KeyError, OSError): 500}}, "KeyError stands in it twice"),
        ({"on": [(KeyError, 404)]}, "no mapping"),
        ({"ignore": KeyError("x")}, "no exception type"),
        ({"ignore": (KeyError, BaseException)}, "BaseException is no Exception"),
        ({"ignore": 404}, "no exception type"),
    ],
)
def test_what_is_no_exception_type_is_refused(keywords: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        errors(**keywords)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        errors(sync, on={KeyError: 200, 5: 404}, ignore=int)  # type: ignore[arg-type, type-var]
    assert len(caught.value.faults) == 4


def test_equal_policies_are_equal_and_can_be_keys() -> None:
    made = errors(two, on={KeyError: 404, (OSError, EOFError): one}, ignore=web.HTTPNotFound)
    again = errors(two, on={KeyError: 404, OSError: one, EOFError: one}, ignore=(web.HTTPNotFound,))
    assert made == again
    assert hash(made) == hash(again)
    assert errors() != errors(one)
    assert errors(on={KeyError: 404}) != errors(on={KeyError: 410})
    assert errors(ignore=KeyError) != errors()


def test_the_repr_says_what_was_given() -> None:
    assert repr(errors()) == "errors()"
    assert repr(errors(problem_details)) == "errors(problem_details)"
    assert repr(errors(one, on={KeyError: 404, OSError: two}, ignore=EOFError)) == (
        "errors(one, on={KeyError: 404, OSError: two}, ignore=(EOFError))"
    )


# --- which outcome --------------------------------------------------------------------------------

FAMILY: tuple[type[Exception], ...] = (Exception, LookupError, KeyError, OSError, ConnectionError)


class Missing(KeyError):
    pass


class Reset(ConnectionResetError, Missing):
    """With two branches in its MRO, so that the order there matters."""


@pytest.mark.parametrize(
    "raised", [Exception, LookupError, KeyError, Missing, OSError, ConnectionResetError, Reset]
)
@pytest.mark.parametrize("size", range(1, len(FAMILY) + 1))
def test_the_most_specific_class_wins_whatever_the_order(
    raised: type[Exception], size: int
) -> None:
    for chosen in itertools.permutations(FAMILY, size):
        policy = errors(on={kind: 400 + FAMILY.index(kind) for kind in chosen})
        mapped = [kind for kind in raised.mro() if kind in chosen]
        expected = 400 + FAMILY.index(mapped[0]) if mapped else 500
        error = raised("lost")
        assert policy.resolve(error) == (error, expected, default_error_handler)


def test_a_mapped_handler_answers_with_the_exceptions_own_status() -> None:
    policy = errors(one, on={KeyError: two, web.HTTPNotFound: 410})
    lost, gone = KeyError("x"), web.HTTPNotFound()
    assert policy.resolve(lost) == (lost, 500, two)
    assert policy.resolve(gone) == (gone, 410, one)
    conflict = web.HTTPConflict()
    assert policy.resolve(conflict) == (conflict, 409, one)


class Told(Exception):
    def __init__(self, status: object) -> None:
        super().__init__("told")
        self.status = status


anything = st.one_of(
    st.integers(), st.integers(380, 620), st.booleans(), st.floats(), st.text(), st.none()
)


@given(anything)
def test_only_an_int_from_400_to_599_is_a_status(status: object) -> None:
    expected = status if type(status) is int and 400 <= status <= 599 else 500
    assert errors().resolve(Told(status))[1] == expected


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TimeoutError(), 504),
        (HandlerTimeout(5, "start"), 504),
        (Exception(), 500),
        (OSError(404, "not a status"), 500),
        (web.HTTPGone(), 410),
        (web.HTTPServiceUnavailable(), 503),
    ],
)
def test_the_status_where_nothing_maps_it(error: Exception, status: int) -> None:
    assert errors().resolve(error)[1] == status


# --- what is ignored ------------------------------------------------------------------------------


def test_redirects_and_successes_are_no_errors() -> None:
    for passing in (web.HTTPOk(), web.HTTPNoContent(), web.HTTPFound("/x"), web.HTTPNotModified()):
        assert errors().ignores(passing)
        assert errors(on={web.HTTPException: 500}).ignores(passing)
    assert not errors().ignores(web.HTTPNotFound())


def test_ignore_wins_over_on_and_covers_subclasses() -> None:
    policy = errors(on={KeyError: 404}, ignore=LookupError)
    assert policy.ignores(KeyError("x"))
    assert not policy.ignores(OSError())


# --- groups ---------------------------------------------------------------------------------------


def test_a_group_whose_leaves_agree_is_answered_by_their_mapping() -> None:
    policy = errors(on={LookupError: 404, OSError: two})
    first = KeyError("first")
    nested = ExceptionGroup("outer", [ExceptionGroup("inner", [first, IndexError()]), KeyError()])
    assert policy.resolve(nested) == (first, 404, default_error_handler)
    broken = OSError("broken")
    assert policy.resolve(ExceptionGroup("g", [broken])) == (broken, 500, two)


@pytest.mark.parametrize(
    "leaves", [[KeyError(), OSError()], [KeyError(), ValueError()], [ValueError()]]
)
def test_other_groups_are_a_500_whole(leaves: list[Exception]) -> None:
    group = ExceptionGroup("g", leaves)
    policy = errors(on={LookupError: 404, OSError: 503})
    assert policy.resolve(group) == (group, 500, default_error_handler)


def test_what_is_said_of_exception_looks_into_a_group_and_what_is_said_of_groups_does_not() -> None:
    leaf = KeyError("leaf")
    group = ExceptionGroup("g", [leaf])
    assert errors(on={Exception: 503}).resolve(group)[:2] == (leaf, 503)
    assert errors(on={Exception: 503, KeyError: 404}).resolve(group)[:2] == (leaf, 404)
    assert errors(on={ExceptionGroup: 502, KeyError: 404}).resolve(group)[:2] == (group, 502)


def test_leaves_that_disagree_through_different_handlers_do_not_agree() -> None:
    policy = errors(on={KeyError: one, OSError: two})
    group = ExceptionGroup("g", [KeyError(), OSError()])
    assert policy.resolve(group) == (group, 500, default_error_handler)


def test_a_group_is_ignored_when_all_its_leaves_are() -> None:
    policy = errors(ignore=LookupError)
    assert policy.ignores(ExceptionGroup("g", [KeyError(), ExceptionGroup("h", [IndexError()])]))
    assert not policy.ignores(ExceptionGroup("g", [KeyError(), OSError()]))
    assert not errors().ignores(ExceptionGroup("g", [KeyError()]))
    assert errors(ignore=ExceptionGroup).ignores(ExceptionGroup("g", [OSError()]))
