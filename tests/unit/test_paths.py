"""Paths as rules see them, and the matching helpers."""

import posixpath
import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from routeguard import IDEMPOTENT_METHODS, NON_IDEMPOTENT_METHODS, match_path, match_request
from routeguard.paths import relative_path, resolved_path


def test_the_two_groups_of_methods() -> None:
    assert IDEMPOTENT_METHODS == ("GET", "HEAD", "OPTIONS", "TRACE")
    assert NON_IDEMPOTENT_METHODS == ("DELETE", "PATCH", "POST", "PUT")


@pytest.mark.parametrize(
    ("item", "path", "matches"),
    [
        ("/slow", "/slow", True),
        ("/slow", "/slow/", False),
        ("/slow", "/slow/er", False),
        ("/slow", "/SLOW", False),
        ("/slow/*", "/slow/er", False),
        ("/slow/*", "/slow/*", True),
        ("", "", True),
        (URL("/slow"), "/slow", True),
        (URL("/slow?x"), "/slow", False),
        (URL("/sl%20ow"), "/sl%20ow", True),
        (re.compile("/slow"), "/slow/er", True),
        (re.compile("^/slow$"), "/slow/er", False),
        (re.compile("slow"), "/slow", False),
        (re.compile(""), "/slow", True),
        (None, "/slow", False),
        (5, "/slow", False),
    ],
)
def test_match_path(item: Any, path: str, matches: bool) -> None:
    assert match_path(item, path) is matches


PATHS: list[str | re.Pattern[str] | URL] = ["/slow", URL("/url"), re.compile(r"/users/\d+$")]
METHODS: Mapping[Any, Any] = {
    "/slow": "POST",
    URL("/url"): ["get", "PUT"],
    re.compile(r"/users/\d+$"): {"PATCH"},
    re.compile(r"/users/"): ("DELETE",),
    "/none": (),
}


@pytest.mark.parametrize(
    ("method", "path", "in_paths", "in_methods"),
    [
        ("POST", "/slow", True, True),
        ("post", "/slow", True, True),
        ("GET", "/slow", True, False),
        ("GET", "/url", True, True),
        ("HEAD", "/url", True, False),
        ("PUT", "/url", True, True),
        ("PATCH", "/users/7", True, True),
        ("DELETE", "/users/7", True, False),  # the first item that matches decides
        ("DELETE", "/users/x", False, True),
        ("GET", "/none", False, False),
        ("GET", "/else", False, False),
    ],
)
def test_match_request(method: str, path: str, in_paths: bool, in_methods: bool) -> None:
    assert match_request(PATHS, method, path) is in_paths
    assert match_request(tuple(PATHS), method, path) is in_paths
    assert match_request(METHODS, method, path) is in_methods
    assert match_request({}, method, path) is match_request([], method, path) is False


@pytest.mark.parametrize(
    ("path", "resolved"),
    [
        ("/", "/"),
        ("/a", "/a"),
        ("/a/", "/a/"),
        ("//", "/"),
        ("///", "/"),
        ("//a", "/a"),
        ("/a//", "/a/"),
        ("/a//b", "/a/b"),
        ("/.", "/"),
        ("/..", "/"),
        ("/../..", "/"),
        ("/../a", "/a"),
        ("/a/.", "/a/"),
        ("/a/..", "/"),
        ("/a/b/..", "/a/"),
        ("/a/b/../", "/a/"),
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/a//../b", "/b"),
        ("/a/b/../../c", "/c"),
        ("/...", "/..."),
        ("/.a/..b/c.", "/.a/..b/c."),
        ("/a/.../b", "/a/.../b"),
        ("*", "*"),
        ("", ""),
    ],
)
def test_dot_segments_and_double_slashes(path: str, resolved: str) -> None:
    assert resolved_path(path) == resolved


spelt = st.lists(st.sampled_from(["a", "b", ".", "..", "", "...", "é"]), max_size=8).map(
    lambda parts: "/" + "/".join(parts)
)


@given(spelt)
def test_resolving_agrees_with_the_standard_library_and_is_done_once(path: str) -> None:
    resolved = resolved_path(path)
    normal = posixpath.normpath(re.sub("/+", "/", path))
    assert resolved.rstrip("/") == normal.rstrip("/")
    assert resolved_path(resolved) == resolved


@given(st.text())
def test_no_text_makes_resolving_raise(path: str) -> None:
    assert resolved_path(resolved_path(path)) == resolved_path(path) or not path.startswith("/")


@pytest.mark.parametrize(
    ("path", "prefix", "relative"),
    [
        ("/shop/x", "/shop", "/x"),
        ("/shop", "/shop", "/"),
        ("/shop/", "/shop", "/"),
        ("/shop//x/", "/shop", "/x/"),
        ("/shop/../x", "/shop", "/x"),
        ("/x", "", "/x"),
        ("/a/b/c", "/a/b", "/c"),
    ],
)
def test_paths_below_a_mount_point(path: str, prefix: str, relative: str) -> None:
    assert relative_path(path, prefix) == relative
