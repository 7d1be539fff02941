"""Headers that are given to several responses are those of none of them."""

from aiohttp import web
from multidict import CIMultiDict

from routeguard.internals.response import headers_to_give


def test_what_one_response_writes_no_other_response_has() -> None:
    kept = CIMultiDict({"Vary": "Origin"})
    first, second = (web.Response(headers=headers_to_give(kept)) for _ in range(2))
    first.headers["Date"] = "today"
    assert dict(second.headers) == dict(kept) == {"Vary": "Origin"}
