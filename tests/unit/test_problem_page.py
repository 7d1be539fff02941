"""The page: whatever an error says, it is text on it and never markup."""

import asyncio
from html.parser import HTMLParser

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from routeguard import get_error_response, problem_details
from tests.support.requests import Described, a_request


class Page(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.shown: list[str] = []
        self.others: list[str] = []
        self._inside = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside != "style":
            self.shown.append(data)

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    def unknown_decl(self, data: str) -> None:
        self.others.append(data)

    def handle_pi(self, data: str) -> None:
        self.others.append(data)


async def page(error: Exception, path: str = "/reports/7") -> Page:
    request = a_request(path, accept=["text/html"])
    answer = await get_error_response(request, error, default_handler=problem_details)
    assert isinstance(answer, web.Response)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert isinstance(answer.body, bytes)
    return Page(answer.body.decode())


MARKUP = [
    "<script>alert(1)</script>",
    "</p></dd></dl></pre></style></title><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "<!-- ",
    "<![CDATA[",
    "<?php",
    "&lt;script&gt;",
    "&#60;script&#62;",
    "{status} {0} {detail} {{",
    "javascript:alert(1)",
    "\x00<\x00script>",
]
markup = st.lists(
    st.sampled_from([*MARKUP, "<", ">", "&", '"', "'", "/", "=", "{", "}"]) | st.text(max_size=5),
    max_size=6,
).map("".join)


@given(message=markup, key=markup, value=markup, title=markup)
async def test_markup_in_an_error_is_text(message: str, key: str, value: str, title: str) -> None:
    hostile = await page(
        Described("", status=422, message=f"m{message}", data={f"k{key}": value, "title": title})
    )
    harmless = await page(
        Described("", status=422, message="m", data={"k": "value", "title": "title"})
    )
    assert hostile.elements == harmless.elements
    assert hostile.others == []
    shown = "".join(hostile.shown)
    for text in (f"m{message}", f"k{key}", value, title):
        assert squeezed(text) in squeezed(shown)


def squeezed(text: str) -> str:
    # A line break is one character to the parser, however it was written.
    return text.replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize("text", MARKUP)
async def test_markup_in_an_http_exception_is_text(text: str) -> None:
    hostile = await page(web.HTTPBadRequest(text=text))
    assert hostile.elements == (await page(web.HTTPBadRequest(text="x"))).elements
    assert text in "".join(hostile.shown)


@pytest.mark.parametrize("text", MARKUP)
async def test_markup_in_a_traceback_is_text(text: str) -> None:
    asyncio.get_running_loop().set_debug(True)
    error = KeyError("x")
    error.add_note(text)
    hostile = await page(error)
    assert hostile.elements == (await page(KeyError("x"))).elements
    assert hostile.others == []
    assert text in "".join(hostile.shown)


@pytest.mark.parametrize("text", MARKUP[:4])
async def test_markup_in_the_path_is_not_even_shown(text: str) -> None:
    hostile = await page(web.HTTPNotFound(), path=f"/{text}")
    assert hostile.elements == (await page(web.HTTPNotFound())).elements


async def test_the_page_loads_nothing_and_runs_nothing() -> None:
    elements = {name for name, _ in (await page(Described("told", status=422))).elements}
    assert elements.isdisjoint({"script", "link", "img", "iframe", "object", "form", "a"})


@pytest.mark.parametrize("accept", ["text/html", "text/plain", "application/problem+json"])
async def test_undecodable_bytes_of_a_request_can_be_quoted_in_an_error(accept: str) -> None:
    """Header bytes that are no UTF-8 reach a handler as surrogates, and so its messages."""
    error = Described("bad value 'caf\udce9'", status=400, data={"value": "caf\udce9"})
    request = a_request(accept=[accept])
    answer = await get_error_response(request, error, default_handler=problem_details)
    assert (answer.status, answer.content_type) == (400, accept)
