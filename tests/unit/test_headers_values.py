"""`headers`: what may be written, and what a policy that is no policy is told."""

import re
from collections.abc import Callable

import pytest
from aiohttp.http_writer import _serialize_headers
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from routeguard.configuration import ConfigError
from routeguard.policies.headers.policy import headers
from routeguard.policies.headers.security import security_headers

# RFC 9110, sections 5.1 and 5.6.2, written apart from the code under test.
NAME = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
VALUE = re.compile(rb"(?:[!-~\x80-\xff](?:[ !-~\x80-\xff]*[!-~\x80-\xff])?)?")

# What a client would make of an answer whose header lines were forged.
FORGED = ["\r\nSet-Cookie: a=b", "\n", "\r", "\0", "\x0b", "\x0c", "\x1c", "\x85", "\t", "\x7f"]

text = st.one_of(st.text(), st.sampled_from(FORGED), st.text(alphabet="ab\r\n:\0 é\u2028\ud800"))


def fault_of(make: Callable[[], object]) -> str:
    with pytest.raises(ConfigError) as caught:
        make()
    return str(caught.value)


@given(name=text, value=text)
@example(name="X-A", value="1\r\nX-B: 2")
@example(name="X-A\r\nX-B", value="1")
@example(name="X-A:", value="1")
@example(name="X-A", value="\ud800")
@example(name="X-A", value="Jürgen")
def test_what_is_accepted_makes_exactly_one_header_line(name: str, value: str) -> None:
    try:
        policy = headers({name: value})
    except ConfigError:
        return
    ((written_name, written),) = policy.values
    assert written is not None
    sent = _serialize_headers("HTTP/1.1 200 OK", CIMultiDict({written_name: written}))
    status, *lines, end, rest = sent.split(b"\r\n")
    assert (status, end, rest, len(lines)) == (b"HTTP/1.1 200 OK", b"", b"", 1)
    sent_name, _, sent_value = lines[0].partition(b": ")
    assert NAME.fullmatch(sent_name)
    assert VALUE.fullmatch(sent_value)


@pytest.mark.parametrize("forged", FORGED)
@pytest.mark.parametrize("where", ["{}b", "a{}b", "a{}"])
def test_control_characters_are_named_wherever_they_stand(forged: str, where: str) -> None:
    value = where.format(forged)
    fault = fault_of(lambda: headers({"X-Author": value}))
    assert "'X-Author'" in fault
    assert "control character" in fault
    assert "no name" in fault_of(lambda: headers({f"X{value}": "a"}))


@pytest.mark.parametrize(
    "name",
    [
        "Content-Length",
        "transfer-encoding",
        "CONNECTION",
        "Keep-Alive",
        "Upgrade",
        "Trailer",
        "TE",
        "Proxy-Connection",
        "Sec-WebSocket-Accept",
    ],
)
@pytest.mark.parametrize("value", ["1", None])
def test_framing_is_aiohttps(name: str, value: str | None) -> None:
    assert "framed" in fault_of(lambda: headers({name: value}))


@pytest.mark.parametrize("value", ["*", None])
def test_cors_headers_are_those_of_cors(value: str | None) -> None:
    fault = fault_of(lambda: headers({"access-control-allow-ORIGIN": value}))
    assert "cors(...)" in fault


def test_vary_is_only_added_to() -> None:
    assert "added to" in fault_of(lambda: headers({"Vary": None}))
    headers({"Vary": "Accept-Language"})


def test_cookies_are_set_by_handlers_and_may_be_removed() -> None:
    assert "set_cookie" in fault_of(lambda: headers({"Set-Cookie": "a=b"}))
    headers({"Set-Cookie": None})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "names no header"),
        ([("X-A", "1")], "no mapping"),
        ("X-A: 1", "no mapping"),
        ({"X-A": 1}, "write a str"),
        ({"X-A": b"1"}, "write a str"),
        ({1: "1"}, "no name"),
        ({"": "1"}, "no name"),
        ({"X-A": " 1"}, "white space"),
        ({"X-A": "1\u00a0"}, "white space"),
        ({"X-A": "1", "x-a": "2"}, "one header"),
    ],
)
def test_what_cannot_be_written_is_refused_with_a_remedy(values: object, said: str) -> None:
    assert said in fault_of(lambda: headers(values))  # type: ignore[arg-type]


def test_replace_is_a_bool() -> None:
    assert "replace='yes'" in fault_of(lambda: headers({"X-A": "1"}, replace="yes"))  # type: ignore[arg-type]


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        headers({"X-A": "\n", "Connection": "close", "Vary": None}, replace=1)  # type: ignore[arg-type]
    assert len(caught.value.faults) == 4


def test_a_value_reads_like_the_call_and_compares() -> None:
    policy = headers({"X-A": "1", "Server": None}, replace=True)
    assert repr(policy) == "headers({'X-A': '1', 'Server': None}, replace=True)"
    assert eval(repr(policy), {"headers": headers}) == policy
    assert hash(headers({"X-A": "1"})) == hash(headers({"X-A": "1"}))
    assert headers({"X-A": "1"}) != policy


# The list of the OWASP Secure Headers Project as published on 19 July 2026, but for the two that
# belong elsewhere: Strict-Transport-Security and Clear-Site-Data.
OWASP = """
Cache-Control: no-store, max-age=0
Content-Security-Policy: default-src 'self'; form-action 'self'; base-uri 'self'; object-src 'none'; frame-ancestors 'none'; upgrade-insecure-requests
Cross-Origin-Embedder-Policy: require-corp
Cross-Origin-Opener-Policy: same-origin
Cross-Origin-Resource-Policy: same-origin
Permissions-Policy: accelerometer=(), autoplay=(), camera=(), cross-origin-isolated=(), display-capture=(), encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), keyboard-map=(), magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(), publickey-credentials-get=(), screen-wake-lock=(), sync-xhr=(self), usb=(), web-share=(), xr-spatial-tracking=(), clipboard-read=(), clipboard-write=(), gamepad=(), hid=(), idle-detection=(), interest-cohort=(), serial=(), unload=()
Referrer-Policy: no-referrer
X-Content-Type-Options: nosniff
X-DNS-Prefetch-Control: off
X-Frame-Options: deny
X-Permitted-Cross-Domain-Policies: none
"""  # noqa: E501

PARAMETERS = {
    "csp": "Content-Security-Policy",
    "content_type_options": "X-Content-Type-Options",
    "frame_options": "X-Frame-Options",
    "referrer_policy": "Referrer-Policy",
    "permissions_policy": "Permissions-Policy",
    "opener_policy": "Cross-Origin-Opener-Policy",
    "embedder_policy": "Cross-Origin-Embedder-Policy",
    "resource_policy": "Cross-Origin-Resource-Policy",
    "cache_control": "Cache-Control",
    "dns_prefetch_control": "X-DNS-Prefetch-Control",
    "cross_domain_policies": "X-Permitted-Cross-Domain-Policies",
}


def test_security_headers_are_what_is_recommended() -> None:
    listed = dict(line.split(": ", 1) for line in OWASP.strip().splitlines())
    assert dict(security_headers().values) == listed


@pytest.mark.parametrize(("parameter", "name"), PARAMETERS.items())
def test_each_can_be_given_or_left_out(parameter: str, name: str) -> None:
    recommended = dict(security_headers().values)
    given: dict[str, str] = {parameter: "mine"}
    assert dict(security_headers(**given).values) == {**recommended, name: "mine"}  # type: ignore[arg-type]
    left_out = dict(security_headers(**{parameter: False}).values)  # type: ignore[arg-type]
    assert left_out == {one: value for one, value in recommended.items() if one != name}


def test_security_headers_tell_all_faults_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        security_headers(True, frame_options="deny\n", replace=1)  # type: ignore[arg-type]
    assert len(caught.value.faults) == 3
    assert "False to leave the header out" in str(caught.value)


def test_security_headers_with_nothing_left_say_so() -> None:
    nothing = dict.fromkeys(PARAMETERS, False)
    assert "names no header" in fault_of(lambda: security_headers(**nothing))  # type: ignore[arg-type]
