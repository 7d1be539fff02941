"""The form of a problem by `Accept`, against an oracle for RFC 9110, section 12.5.1."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeguard import get_error_response, problem_details
from tests.support.requests import Described, a_request

JSON = "application/problem+json"
FORMS = (JSON, "text/html", "text/plain")

Ranges = list[tuple[str, float | None]]


async def form(*accept: str) -> str:
    error = Described("told", status=404)
    request = a_request(accept=accept)
    answer = await get_error_response(request, error, default_handler=problem_details)
    return answer.content_type


def quality(media_type: str, ranges: Ranges) -> float:
    """What the most specific range that matches says."""
    known = dict(ranges)
    for named in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
        if named in known:
            given_quality = known[named]
            return 1.0 if given_quality is None else given_quality
    return 0.0


def expected(ranges: Ranges) -> str:
    """The form of the highest quality; the first of several; JSON where none is acceptable."""
    qualities = {one: quality(one, ranges) for one in FORMS}
    if JSON not in dict(ranges):  # who names only JSON at large can read this JSON too
        qualities[JSON] = max(qualities[JSON], quality("application/json", ranges))
    return max(FORMS, key=lambda one: qualities[one])


def written(ranges: Ranges) -> str:
    return ", ".join(name if weight is None else f"{name};q={weight:g}" for name, weight in ranges)


names = st.sampled_from(
    [*FORMS, "application/json", "application/*", "text/*", "*/*", "text/xml", "image/png"]
)
weights = st.none() | st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)
ranges_of_any_kind = st.lists(
    st.tuples(names, weights | st.just(0.0)), min_size=1, max_size=7, unique_by=lambda one: one[0]
)


@given(ranges_of_any_kind)
async def test_the_form_that_is_preferred(ranges: Ranges) -> None:
    assert await form(written(ranges)) == expected(ranges)


@given(ranges_of_any_kind, st.data())
async def test_spelling_changes_nothing(ranges: Ranges, data: st.DataObject) -> None:
    """Case, blanks, empty elements and several lines mean nothing (sections 5.6.1, 8.3.1)."""
    blank = st.sampled_from(["", " ", "\t", " \t "])
    case = st.sampled_from([str.lower, str.upper, str.title])
    elements = []
    for name, weight in ranges:
        text = data.draw(case)(name)
        if weight is not None:
            mark = data.draw(st.sampled_from(["q", "Q"]))
            text += f"{data.draw(blank)};{data.draw(blank)}{mark}={weight:g}"
        elements += [text, *data.draw(st.lists(st.just(""), max_size=1))]
    cuts = sorted(data.draw(st.sets(st.integers(0, len(elements)))) | {0, len(elements)})
    lines = [f"{data.draw(blank)},".join(elements[a:b]) for a, b in pairwise(cuts)]
    assert await form(*lines) == await form(written(ranges))


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ((), JSON),
        (("*/*",), JSON),
        (("*",), JSON),
        (("application/json",), JSON),
        (("application/json, text/plain, */*",), JSON),
        (("text/html, application/json",), JSON),
        (("text/html",), "text/html"),
        (
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",),
            "text/html",
        ),
        (("text/plain",), "text/plain"),
        (("text/*",), "text/html"),
        (("text/plain;q=0.9, text/html;q=0.8, application/json;q=0.1",), "text/plain"),
        (("text/html;q=0, text/*;q=0.5",), "text/plain"),
        (("application/json;q=0, text/plain;q=0.001",), "text/plain"),
        (("text/html;q=0",), JSON),
        (("*/*;q=0",), JSON),
        (("image/png",), JSON),
        (("application/json;q=0.4", "text/html;q=0.5"), "text/html"),
        (("TEXT/HTML",), "text/html"),
        (("text/html,",), "text/html"),
        ((",text/html",), "text/html"),
        (("text/html", ""), "text/html"),
        (("application/problem+json;q=0, */*",), "text/html"),
        (("text/html;q=0.5;ext=1, text/plain;q=0.6",), "text/plain"),
    ],
)
async def test_named_examples(accept: tuple[str, ...], chosen: str) -> None:
    assert await form(*accept) == chosen


pieces = st.sampled_from(["text/html", "/", ";", "q=", "=", ",", '"', "*", "1", "0.5", "\\", " "])
garbage = st.text(max_size=60) | st.lists(pieces, max_size=25).map("".join)


@given(st.lists(garbage.map(lambda text: text.replace("\r", "").replace("\n", "")), max_size=3))
async def test_garbage_raises_nothing(lines: list[str]) -> None:
    assert await form(*lines) in FORMS


async def test_an_over_long_header_is_answered_with_json() -> None:
    assert await form(", ".join(["text/html"] * 2_000)) == JSON
