"""`https` as a value: what it takes, what it refuses, and what it says of itself."""

from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from routeguard import ConfigError, https


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"match_headers": {}}, "match_headers is empty"),
        ({"match_headers": "X-Forwarded-Proto"}, "no mapping"),
        ({"match_headers": [("X-Forwarded-Proto", "https")]}, "no mapping"),
        ({"match_headers": lambda request: None}, "without its parentheses"),
        ({"match_headers": {"X Forwarded": "https"}}, "'X Forwarded' is no header name"),
        ({"match_headers": {"": "https"}}, "no header name"),
        ({"match_headers": {"X-Forwarded-Proto:": "https"}}, "no header name"),
        ({"match_headers": {"X-Förwarded": "https"}}, "no header name"),
        ({"match_headers": {1: "https"}}, "no header name"),
        ({"match_headers": {"X-Forwarded-Proto": ""}}, "no value"),
        ({"match_headers": {"X-Forwarded-Proto": " "}}, "no value"),
        ({"match_headers": {"X-Forwarded-Proto": "http, https"}}, "no value"),
        ({"match_headers": {"X-Forwarded-Proto": True}}, "no value"),
        ({"trusted": ()}, "trusted is empty"),
        ({"trusted": "localhost"}, "'localhost' is no network or address"),
        ({"trusted": ["10.0.0.0/8", "proxy.internal"]}, "'proxy.internal' is no network"),
        ({"trusted": "10.0.0.1/8"}, r"write '10\.0\.0\.0/8'"),
        ({"trusted": "2001:db8::1/32"}, r"write '2001:db8::/32'"),
        ({"trusted": ["10.0.0.0/33"]}, "no network"),
        ({"trusted": ["256.0.0.1"]}, "no network"),
        ({"trusted": ["010.0.0.1"]}, "no network"),
        ({"trusted": ["127.1"]}, "no network"),
        ({"trusted": ["127.0.0.1:80"]}, "no network"),
        ({"trusted": ["[::1]"]}, "no network"),
        ({"trusted": ["10.0.0.*"]}, "no network"),
        ({"trusted": ["127.0.0.1, ::1"]}, "no network"),
        ({"trusted": [""]}, "no network"),
        ({"trusted": [" ::1"]}, "no network"),
        ({"trusted": ["UNIX"]}, "no network"),
        ({"trusted": [None]}, "no network"),
        ({"trusted": [b"::1"]}, "no network"),
        ({"trusted": None}, "trusted"),
        ({"trusted": 5}, "trusted"),
        ({"trusted": True}, "trusted"),
        ({"redirect": "yes"}, "neither a bool nor a port"),
        ({"redirect": None}, "neither a bool nor a port"),
        ({"redirect": 0}, "neither a bool nor a port"),
        ({"redirect": 1}, "neither a bool nor a port"),
        ({"redirect": -443}, "neither a bool nor a port"),
        ({"redirect": 65536}, "neither a bool nor a port"),
        ({"redirect": 8443.0}, "neither a bool nor a port"),
        ({"redirect": "8443"}, "neither a bool nor a port: write redirect=True, or redirect=8443"),
        ({"hsts": True}, "hsts"),
        ({"hsts": -1}, "hsts"),
        ({"hsts": float("nan")}, "hsts"),
        ({"hsts": float("inf")}, "hsts"),
        ({"hsts": timedelta(days=-1)}, "hsts"),
        ({"hsts": b"max-age=1"}, "hsts"),
        ({"hsts": ""}, "hsts"),
        ({"hsts": "31536000"}, "hsts"),
        ({"hsts": "includeSubDomains"}, "hsts"),
        ({"hsts": "max-age=-1"}, "hsts"),
        ({"hsts": "max-age=1.5"}, "hsts"),
        ({"hsts": "max-age=٣"}, "hsts"),
        ({"hsts": "max-age=1, preload"}, "hsts"),
        ({"hsts": "max-age=1; includeSubdomain"}, "hsts"),
        ({"hsts": "max-age=1\r\nX-Injected: yes"}, "hsts"),
        ({"hsts": "max-age=1; preload\n; includeSubDomains"}, "hsts"),
    ],
    ids=repr,
)
def test_what_cannot_be_meant_is_refused(keywords: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        https(**keywords)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        https({"a b": "https"}, trusted=["x", "y"], redirect=1, hsts=-1)
    assert len(caught.value.faults) == 5


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (0, "max-age=0"),
        (31536000, "max-age=31536000"),
        (1.9, "max-age=1"),
        (timedelta(days=365), "max-age=31536000"),
        ("max-age=1", "max-age=1"),
        (' max-age="1" ', 'max-age="1"'),
        (
            "max-age=63072000; includeSubDomains; preload",
            "max-age=63072000; includeSubDomains; preload",
        ),
        ("MAX-AGE=5 ;INCLUDESUBDOMAINS", "MAX-AGE=5 ;INCLUDESUBDOMAINS"),
    ],
)
def test_hsts_is_seconds_a_timedelta_or_the_headers_text(given: Any, written: str) -> None:
    assert https(hsts=given).hsts == written


def test_nothing_is_the_same_as_the_defaults() -> None:
    defaults = https(
        {"X-Forwarded-Proto": "https"}, trusted=("127.0.0.0/8", "::1", "unix"), redirect=False
    )
    assert https() == defaults
    assert hash(https()) == hash(defaults)
    assert repr(https()) == "https()"


def test_spellings_of_one_thing_are_equal() -> None:
    assert https(trusted="::1") == https(trusted=["0:0:0:0:0:0:0:1"]) == https(trusted=["::1/128"])
    assert https(trusted=["10.0.0.0/8"]) == https(trusted=("10.0.0.0/255.0.0.0",))
    assert https(trusted=["10.0.0.0/8"]) == https(trusted=[ip_network("10.0.0.0/8")])  # type: ignore[list-item]
    assert https(trusted=ip_network("10.0.0.0/30")) == https(trusted="10.0.0.0/30")  # type: ignore[arg-type]
    assert https({"FORWARDED": " HTTPS "}) == https({"Forwarded": "https"})
    assert https(hsts=60) == https(hsts=timedelta(minutes=1)) == https(hsts="max-age=60")


def test_what_differs_is_not_equal() -> None:
    several = [
        https(),
        https({"Forwarded": "https"}),
        https(trusted="*"),
        https(redirect=True),
        https(redirect=443),
        https(redirect=8443),
        https(hsts=1),
        https(hsts=2),
    ]
    assert len(set(several)) == len(several)


def test_the_repr_says_what_was_given() -> None:
    policy = https({"Forwarded": "https"}, trusted="10.0.0.0/8", redirect=True, hsts=60)
    assert repr(policy) == (
        "https({'Forwarded': 'https'}, trusted=['10.0.0.0/8'], redirect=True, hsts='max-age=60')"
    )
    assert repr(https(redirect=8443)) == "https(redirect=8443)"
