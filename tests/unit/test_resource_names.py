"""Names of resources; the oracle is the resource that aiohttp makes of the same text."""

import re

import pytest
from aiohttp import web
from hypothesis import example, given
from hypothesis import strategies as st

from routeguard import rule, timeout
from routeguard.routes.names import ambiguous, canonical_form, full_form, names_of, text_of

REGEXES = st.sampled_from(
    [
        r"\d+",
        ".*",
        ".*$",
        "saml/.*$",
        r"[0-9]{2}",
        r"(a|b)",
        r"(?:x)?",
        r"[^{}/]+",
        r"\)",
        r"/x(?P<z>y)",
    ]
)
LITERALS = st.sampled_from(["/a", "/", "/x.y", "/é", "/b c", "-", ".json", "/(", "/+", "/)"])


@st.composite
def texts(draw: st.DrawFn) -> str:
    """What may be registered: literals, and between them placeholders of different names."""
    parts = ["/"]
    for name in draw(
        st.lists(st.sampled_from(["id", "path", "_x1", "tail"]), max_size=3, unique=True)
    ):
        regex = draw(st.none() | REGEXES)
        parts += [draw(LITERALS), f"{{{name}}}" if regex is None else f"{{{name}:{regex}}}"]
    parts.append(draw(st.sampled_from(["", "/z", ".csv"])))
    return re.sub("/+", "/", "".join(parts)) if "//" in "".join(parts) else "".join(parts)


def registered(text: str, prefix: str = "") -> web.AbstractResource | None:
    """The resource that aiohttp makes of a text; `None` where it makes none, or a plain one."""
    app = web.Application()
    try:
        resource: web.AbstractResource = app.router.add_resource(text)
    except ValueError:
        return None
    if prefix:
        resource.add_prefix(prefix)
    return resource if isinstance(resource, web.DynamicResource) else None


@given(texts(), st.sampled_from(["", "/api", "/a.b+c", "/v(1)"]))
@example("/{id:/x(?P<z>y)}-{path}", "")
def test_the_names_of_a_resource_are_those_of_its_text(text: str, prefix: str) -> None:
    resource = registered(text, prefix)
    if resource is None:
        return
    canonical, full = names_of(resource, prefix)
    assert canonical == canonical_form(text)
    assert full == full_form(text)
    # The text that is shown makes the same resource again.
    again = registered(text_of(resource).removeprefix(prefix))
    assert again is not None
    assert again.get_info()["pattern"] == registered(text).get_info()["pattern"]  # type: ignore[union-attr]


@given(texts(), texts())
@example("/{id}", r"/{id:[^{}/]+}")
@example("/a{id:.*}", "/a{path:.*}")
def test_a_rule_names_the_resources_that_aiohttp_would_make_of_it(
    given_text: str, text: str
) -> None:
    mine, theirs = registered(given_text), registered(text)
    if mine is None or theirs is None or given_text == canonical_form(given_text):
        return
    pattern = rule(given_text, timeout(1)).pattern
    same = mine.get_info()["pattern"] == theirs.get_info()["pattern"]
    assert (pattern.text in names_of(theirs, "")) is same


@pytest.mark.parametrize(
    ("several", "shared"),
    [
        (["/{x}", "/{x:.*}"], {"/{x}"}),
        (["/{x}", r"/{x:[^{}/]+}"], set()),
        (["/{x}", "/{y:.*}"], set()),
        (["/a/{x:a}", "/b", "/a/{x:b}", "/a/{x:a}"], {"/a/{x}"}),
    ],
)
def test_resources_that_share_a_canonical_pattern_are_found(
    several: list[str], shared: set[str]
) -> None:
    app = web.Application()
    assert ambiguous([app.router.add_resource(text) for text in several]) == shared
