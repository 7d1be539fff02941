"""`headers`: what several statements come to, and what is done to what is there."""

import pytest
from aiohttp.http import SERVER_SOFTWARE
from multidict import CIMultiDict

from routeguard.policies.headers.policy import Writer, headers


def written(before: dict[str, str], *statements: headers) -> dict[str, str]:
    fields = CIMultiDict(before)
    Writer(statements).write(fields)
    assert len(fields) == len(set(fields))
    return dict(fields)


@pytest.mark.parametrize(
    ("replace", "there", "left"),
    [(False, "mine", "mine"), (False, None, "theirs"), (True, "mine", "theirs")],
)
def test_what_the_handler_has_set_stays_unless_it_is_to_be_replaced(
    replace: bool, there: str | None, left: str
) -> None:
    before = {} if there is None else {"x-FRAME-options": there}
    after = written(before, headers({"X-Frame-Options": "theirs"}, replace=replace))
    assert list(after.values()) == [left]


def test_none_always_removes_every_line() -> None:
    fields = CIMultiDict([("X-A", "1"), ("x-a", "2"), ("X-B", "3")])
    Writer([headers({"X-A": None})]).write(fields)
    assert dict(fields) == {"X-B": "3"}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_nearest_statement_decides_for_each_name(order: tuple[int, int]) -> None:
    both = (headers({"X-A": "near", "X-B": "near"}), headers({"x-a": None, "X-C": "far"}))
    nearest, farther = both[order[0]], both[order[1]]
    after = written({"X-A": "handler"}, nearest, farther)
    assert after["X-B"] == "near"
    assert after["X-C"] == "far"
    assert after.get("X-A") == (None if order == (1, 0) else "handler")


def test_a_farther_replace_does_not_overrule_a_nearer_statement() -> None:
    nearer, farther = headers({"X-A": "near"}), headers({"X-A": "far"}, replace=True)
    assert written({"X-A": "handler"}, nearer, farther) == {"X-A": "handler"}
    assert written({}, nearer, farther) == {"X-A": "near"}


def test_what_aiohttp_stamps_is_not_the_handlers() -> None:
    stamped = {"Server": SERVER_SOFTWARE, "Date": "Sat, 28 Nov 2026 00:00:00 GMT"}
    mine = headers({"Server": "shop", "Date": "never"})
    assert written(stamped, mine) == {"Server": "shop", "Date": "never"}
    assert written({"Server": "the handler's"}, headers({"Server": "shop"})) == {
        "Server": "the handler's"
    }
    assert written(stamped, headers({"Server": None, "Date": None})) == {}


def test_vary_is_added_to_by_every_statement_and_never_twice() -> None:
    near, far = headers({"Vary": "Accept-Language"}, replace=True), headers({"Vary": "Accept, b"})
    assert written({"Vary": "Origin, ACCEPT"}, near, far) == {
        "Vary": "Origin, ACCEPT, Accept-Language, b"
    }
    assert written({"Vary": "*"}, near) == {"Vary": "*"}
