"""URL patterns: which are read as what, which are refused, and which requests they match."""

import re
from collections.abc import Callable
from urllib.parse import quote, unquote

import pytest
from aiohttp import web
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

import routeguard
from routeguard import ConfigError, cors, explain, rule, shield, timeout, use
from routeguard.paths import resolved_path
from routeguard.routes.rules import RuleIndex
from tests.support.trail import stamp

# Each: the pattern, and what the message must say.
BAD_PATTERNS: list[tuple[object, list[str]]] = [
    ("api/*", ["'api/*' does not begin with /", "write '/api/*'"]),
    ("", ["does not begin with /"]),
    ("*", ["write '/*'"]),
    ("health", ["write '/health'"]),
    ("https://a.example/x", ["does not begin with /"]),
    ("/a*b", ["has a * that is not the last segment", '"/api/*"', "re.compile"]),
    ("/api*", ["has a * that is not the last segment"]),
    ("/api/**", ["has a *"]),
    ("/*/x", ["has a *"]),
    ("/*.css", ["has a *"]),
    ("/a/*/*", ["has a *"]),
    ("/x?y=1", ["has a query", "leave it out"]),
    ("/x#y", ["has a fragment", "leave it out"]),
    ("/users/{id}?x=1", ["has a query"]),
    ("/a%20b", ["percent-encoded", "write '/a b'", "URL('/a%20b')"]),
    ("/a%2Fb/*", ["percent-encoded"]),
    ("/users/%7Bid%7D", ["percent-encoded"]),
    ("/a/../b", ["dot segments resolved", "write '/b'"]),
    ("/a/./b", ["write '/a/b'"]),
    ("/a//b", ["slashes single", "write '/a/b'"]),
    ("//", ["write '/'"]),
    ("/api//*", ["write '/api/*'"]),
    ("/users/{id:}", ["'{id:}' has no regex after the colon", "write {id}"]),
    ("/users/{id:[0-9}", ["'{id:[0-9}' has no valid regex", "or {id}"]),
    ("/users/{1st:.*}", ["{1st:.*}"]),
    ("/users/../{id:a/../b}", ["write '/{id:a/../b}'"]),
    ("/users//{id:a//b}/../{x}", ["write '/users/{x}'"]),
    ("/users/{id:.*}?x=1", ["has a query"]),
    ("/a%20b/{id:.*}", ["percent-encoded"]),
    ("/users/{id:.*}/*", ["mixes a placeholder with a *", "re.compile"]),
    ("/users/{id", ["braces", "do not pair"]),
    ("/users/id}", ["braces", "do not pair"]),
    ("/users/{}", ["{}"]),
    ("/users/{1st}", ["{1st}"]),
    ("/users/{id}/*", ["mixes a placeholder with a *", "re.compile"]),
    ("GET", ["does not begin with /", "write 'GET /api/*'"]),
    ("GET ", ["does not begin with /"]),
    ("GET api/*", ["'api/*' does not begin with /", "write '/api/*'"]),
    ("POST, PUT /x", ["POST,PUT /x"]),
    ("GET POST /x", ["'GET POST /x' does not begin with /", "write 'GET,POST /x'"]),
    ("GET, POST PUT /x", ["write 'GET,POST,PUT /x'"]),
    ("GET|POST /x", ["does not begin with /"]),
    (" /x", ["does not begin with /"]),
    (URL("http://a.example/x"), ["a URL with more than a path", "write URL('/x')"]),
    (URL("/x?y=1"), ["write URL('/x')"]),
    (URL("/x#y"), ["write URL('/x')"]),
    (URL("x"), ["does not begin with /"]),
    (URL(""), ["does not begin with /"]),
    (re.compile(b"/x"), ["of bytes", "leave out the b"]),
    (None, ["must be a str, a compiled regex or a yarl.URL"]),
    (5, ["must be a str"]),
    (["/x"], ["must be a str", "write a rule for each"]),
]


@pytest.mark.parametrize(("pattern", "says"), BAD_PATTERNS, ids=lambda one: str(one)[:40])
def test_what_is_no_pattern_is_refused_with_what_to_write(pattern: object, says: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        rule(pattern, timeout(1))  # type: ignore[arg-type]
    for part in says:
        assert part in str(raised.value)


GOOD_PATTERNS: list[str | re.Pattern[str] | URL] = [
    "/", "/*", "/x", "/x/", "/x/*", "/x/y.z", "/.well-known/*", "/a b", "/é", "/100%", "/%zz",
    "/users/{id}", "/v{a}.{b}", "/{_x1}", r"/users/{id:\d+}", "/x/{a:[0-9]{2}}/{tail:.*$}",
    "/{x:a//b/./%20?#*}", "GET /x", "get,Post /x/*", "M-SEARCH /x", "X_1 /x",
    "GET  /x", "/~user/*", "/a;b=c", "/...", "/..a/b", URL("/x"), URL("/a%2Fb"), URL("/é"),
    re.compile(""), re.compile("/x"), re.compile("(?i)/X"),
]  # fmt: skip


@pytest.mark.parametrize("pattern", GOOD_PATTERNS, ids=str)
def test_patterns(pattern: str | re.Pattern[str] | URL) -> None:
    text = pattern.pattern if isinstance(pattern, re.Pattern) else str(pattern)
    assert str(rule(pattern, timeout(1))) == text


def test_a_message_for_a_pattern_gives_one_that_is_taken() -> None:
    """Where the message says `write '…'`, that is a pattern."""
    for pattern, _ in BAD_PATTERNS:
        try:
            rule(pattern, timeout(1))  # type: ignore[arg-type]
        except ConfigError as error:
            for written in re.findall(r"write ('[^']+'|URL\('[^']+'\))", "\n".join(error.faults)):
                again = eval(written, {"URL": URL})
                assert rule(again, timeout(1)).policies == (timeout(1),), (pattern, again)


# --- matching -------------------------------------------------------------------------------------


def by_itself(pattern: str | re.Pattern[str], methods: list[str] | None) -> web.Application:
    """An application with one route for everything and one rule."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    routeguard.setup(app, rule(pattern, timeout(1), methods=methods))
    return app


@pytest.mark.parametrize(
    ("given", "asked", "matches"),
    [
        ("POST /x", "POST", True),
        ("POST /x", "post", True),
        ("post /x", "POST", True),
        ("PUT,PATCH /x", "PATCH", True),
        ("PUT,PATCH /x", "POST", False),
        ("GET /x", "HEAD", True),
        ("HEAD /x", "GET", False),
        ("HEAD /x", "HEAD", True),
        ("GET /x", "OPTIONS", False),
        ("OPTIONS /x", "OPTIONS", True),
        ("PROPFIND /x", "PROPFIND", True),
        ("M-SEARCH /x", "M-SEARCH", True),
        ("/x", "ANYTHING", True),
    ],
)
def test_methods_before_the_path(given: str, asked: str, matches: bool) -> None:
    app = by_itself(given, None)
    assert (explain(app, asked, "/x").policy("timeout") is not None) is matches


@pytest.mark.parametrize("methods", ["post", ["POST"], ("Post",), {"POST"}, frozenset({"post"})])
def test_methods_as_a_parameter(methods: str) -> None:
    for pattern in ("/x", URL("/x"), re.compile("/x")):
        one = rule(pattern, timeout(1), methods=methods)
        assert str(one) == "POST /x"
        assert one.methods == frozenset({"POST"})
    assert rule("/x", timeout(1), methods=methods) == rule("POST /x", timeout(1))


def test_get_includes_head_either_way() -> None:
    assert rule("GET /x", shield).methods == frozenset({"GET", "HEAD"})
    assert rule("/x", shield, methods=["get"]).methods == frozenset({"GET", "HEAD"})


# An oracle of its own: every rule is tried in turn, on a path that is taken apart by a stack.


def oracle_path(raw: str) -> str:
    segments = unquote(raw, errors="strict").split("/")[1:]
    stack: list[str] = []
    for segment in segments:
        if segment == "..":
            del stack[-1:]
        elif segment and segment != ".":
            stack.append(segment)
    directory = segments[-1] in ("", ".", "..")
    return (
        "/"
        + "".join(f"{segment}/" for segment in stack[:-1])
        + ((stack[-1] + "/" * directory) if stack else "")
    )


def oracle(pattern: str | re.Pattern[str], path: str) -> bool:
    if isinstance(pattern, re.Pattern):
        return pattern.match(path) is not None
    if pattern.endswith("/*"):
        return path.startswith(pattern[:-1])
    return path == pattern


segments = st.one_of(
    st.sampled_from(["a", "b", "ab", "a.b", ".", "..", "", "é", "%61", "%2e", "%2E%2e", "a%2Fb"]),
    st.text(max_size=3).map(lambda text: quote(text, safe="")),
)
raw_paths = st.lists(segments, min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts))


def is_pattern(text: str) -> bool:
    try:
        rule(text, timeout(1))
    except ConfigError:
        return False
    return "{" not in text


patterns: st.SearchStrategy[str | re.Pattern[str]] = st.one_of(
    st.lists(st.sampled_from(["a", "b", "ab", "a.b", "é"]), max_size=3)
    .flatmap(lambda parts: st.sampled_from(["", "/", "/*"]).map("/".join(["", *parts]).__add__))
    .filter(is_pattern),
    raw_paths.map(oracle_path).filter(is_pattern),
    raw_paths.map(lambda raw: oracle_path(raw).rstrip("/") + "/*").filter(is_pattern),
    st.sampled_from(["/a", "/.*b", "/[^/]+$", ".*é", "/$", "", "(?i)/A"]).map(re.compile),
)


@given(
    rules=st.lists(
        st.tuples(patterns, st.sampled_from([None, ["GET"], ["POST", "put"]])), max_size=8
    ),
    asked=st.lists(
        st.tuples(raw_paths, st.sampled_from(["GET", "HEAD", "POST", "PUT", "LOCK"])), max_size=6
    ),
)
@example(rules=[("/*", None), ("/a/*", None), ("/a", None)], asked=[("/a", "GET"), ("/", "GET")])
@example(rules=[("/a/*", None)], asked=[("//a//", "GET"), ("/b/..//a/b", "GET")])
def test_the_rules_that_match_are_those_of_a_naive_oracle(
    rules: list[tuple[str | re.Pattern[str], list[str] | None]], asked: list[tuple[str, str]]
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    stamps = [use(stamp(str(number))) for number in range(len(rules))]
    routeguard.setup(
        app,
        *(
            rule(pattern, stamps[number], timeout(number + 1), methods=methods)
            for number, (pattern, methods) in enumerate(rules)
        ),
    )
    for raw, method in asked:
        path = oracle_path(raw)
        expected = [
            number
            for number, (pattern, methods) in enumerate(rules)
            if oracle(pattern, path)
            and (
                methods is None
                or method in {one.upper() for one in methods}
                or (method == "HEAD" and "GET" in methods)
            )
        ]
        told = explain(app, method, raw)
        assert told["use"].policies == tuple(stamps[number] for number in expected)
        first = timeout(expected[0] + 1) if expected else None
        assert told.policy("timeout") == first


@given(
    path=st.text().map(lambda text: f"/{text}"),
    method=st.text(st.characters(codec="ascii"), min_size=1, max_size=8),
)
@example(path="//", method="GET")
@example(path="//a:b@c:99999/", method="GET")
@example(path="/%", method="GET")
@example(path="/%ff%zz%00", method="GET")
@example(path="/\ud800", method="GET")
@example(path="/" + "../" * 5000, method="GET")
def test_no_path_and_no_method_makes_matching_raise(path: str, method: str) -> None:
    told = explain(EVERYTHING, method, path)
    assert told.policy("shield") is not None or told.kinds
    assert told.policy("cors") == cors("*")


def _everything() -> web.Application:
    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_get("/a/{x}", handler)
    app.router.add_get("/{tail:.*}", handler)
    routeguard.setup(
        app,
        rule("/a/{x}", shield),
        rule("/a/b", shield),
        rule("/a/*", shield),
        rule(re.compile(r"/(\w+/)*"), shield),
        rule("/*", cors("*")),
    )
    return app


EVERYTHING = _everything()


def test_ten_thousand_rules_are_not_tried_one_by_one() -> None:
    """Rules are found by path: what is compared does not grow with their number."""
    compared: list[object] = []

    class Watched(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            compared.append(other)
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    def count(many: int, write: Callable[[int], str]) -> int:
        app = web.Application()
        routeguard.setup(app, *(rule(Watched(write(n)), timeout(1)) for n in range(many)))
        compared.clear()
        explain(app, "GET", write(many - 1).replace("*", "x"))
        return len(compared)

    for write in (lambda n: f"/x/{n}", lambda n: f"/x/{n}/*"):
        assert count(10_000, write) <= count(10, write) + 2


def test_a_path_and_what_is_below_it_are_two_spots() -> None:
    rules = [rule(pattern, shield) for pattern in ("/a/b", "/a/b/*", "/a/b/c/*")]
    inside = RuleIndex(rules).inside("/a/", "/a/\0")
    assert inside is not None
    asked = ("/a/x", "/a/x/b", "/a/b", "/a/b/x", "/a/b/y/c", "/a/b/c/x", "/a/b/c")
    spots = [inside.spot(path) for path in asked]
    assert spots == ["", "", "/a/b", "below /a/b", "below /a/b", "below /a/b/c", "below /a/b"]


def test_prefixes_of_several_lengths_are_told_from_what_begins_like_them() -> None:
    rules = [rule(pattern, shield) for pattern in ("/a/x/*", "/a/xyz/*", "/a/bcd/*", "/a/é/k/*")]
    inside = RuleIndex(rules).inside("/a/", "/a/\0")
    assert inside is not None
    beyond = ("/a/x/1", "/a/xyz/1", "/a/bcd/", "/a/é/k/1")
    assert [inside.spot(path) for path in beyond] == [
        "below /a/x",
        "below /a/xyz",
        "below /a/bcd",
        "below /a/é/k",
    ]
    beside = ("/a/", "/a/x", "/a/xy/1", "/a/b/1", "/a/bcde/1", "/a/y/x/1", "/a/é/1", "/a/xyz")
    assert [inside.spot(path) for path in beside] == [""] * len(beside)


@given(
    st.lists(st.sampled_from(["x", "xyz", "bcd", ".", "..", "", "%2e", "k"]), max_size=6).map(
        lambda parts: "/a/" + "/".join(parts)
    )
)
def test_of_a_path_with_another_spelling_only_the_whole_tells(path: str) -> None:
    rules = [rule(pattern, shield) for pattern in ("/a/x/*", "/a/xyz/k", "/b/*")]
    inside = RuleIndex(rules).inside("/a/", "/a/\0")
    assert inside is not None
    is_seen_as_it_is = "%" not in path and resolved_path(path) == path
    assert (inside.spot(path) is not None) == is_seen_as_it_is
