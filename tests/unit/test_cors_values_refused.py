"""What `cors` refuses: every parameter by name, with the value and the remedy, all at once."""

import re
from datetime import timedelta

import pytest

from routeguard import ConfigError, cors

A = "https://a.example"


def refusal(*arguments: object, **keywords: object) -> ConfigError:
    with pytest.raises(ConfigError) as refused:
        cors(*arguments, **keywords)  # type: ignore[arg-type]
    return refused.value


@pytest.mark.parametrize(
    ("keywords", "hints"),
    [
        # Methods.
        ({"allow_methods": "GET,PUT"}, ["allow_methods", "'GET,PUT'", "['GET', 'PUT']"]),
        ({"allow_methods": ["PUT", "DE LETE"]}, ["allow_methods", "'DE LETE'"]),
        ({"allow_methods": [""]}, ["allow_methods", "''"]),
        ({"allow_methods": ["PÜT"]}, ["allow_methods", "PÜT"]),
        ({"allow_methods": [b"PUT"]}, ["allow_methods", "b'PUT'"]),
        ({"allow_methods": b"PUT"}, ["allow_methods", "b'PUT'"]),
        ({"allow_methods": 5}, ["allow_methods", "5"]),
        ({"allow_methods": {"PUT": True}}, ["allow_methods"]),
        ({"allow_methods": ["CONNECT"]}, ["CONNECT", "leave it out"]),
        ({"allow_methods": ["trace"]}, ["TRACE", "leave it out"]),
        ({"allow_methods": ["Track"]}, ["TRACK", "leave it out"]),
        # Request headers.
        ({"allow_headers": "x-a, x-b"}, ["allow_headers", "'x-a, x-b'", "['x-a', 'x-b']"]),
        ({"allow_headers": ["x:y"]}, ["allow_headers", "'x:y'"]),
        ({"allow_headers": ["x y"]}, ["allow_headers", "'x y'"]),
        ({"allow_headers": ["x\r\ny"]}, ["allow_headers", r"'x\r\ny'"]),
        ({"allow_headers": ["x-to\u212aen"]}, ["allow_headers", "x-to\u212aen"]),
        ({"allow_headers": None}, ["allow_headers", "None"]),
        ({"allow_headers": [None]}, ["allow_headers", "None"]),
        # Response headers.
        ({"expose_headers": "X-A,X-B"}, ["expose_headers", "['X-A', 'X-B']"]),
        ({"expose_headers": ["X\nY"]}, ["expose_headers", r"'X\nY'"]),
        ({"expose_headers": None}, ["expose_headers", "None"]),
        ({"expose_headers": ["Set-Cookie"]}, ["Set-Cookie", "leave it out"]),
        ({"expose_headers": ["set-cookie2"]}, ["set-cookie2", "leave it out"]),
        ({"expose_headers": "*", "allow_credentials": True}, ["expose_headers", "list"]),
        ({"expose_headers": ["X-A", "*"], "allow_credentials": True}, ["expose_headers", "list"]),
        # Credentials.
        ({"allow_credentials": 1}, ["allow_credentials=1", "True"]),
        ({"allow_credentials": "yes"}, ["allow_credentials='yes'", "True"]),
        ({"allow_credentials": None}, ["allow_credentials=None"]),
        # Ages.
        ({"max_age": -1}, ["max_age=-1", "seconds"]),
        ({"max_age": True}, ["max_age=True", "seconds"]),
        ({"max_age": "600"}, ["max_age='600'", "seconds"]),
        ({"max_age": float("nan")}, ["max_age=nan", "finite"]),
        ({"max_age": float("inf")}, ["max_age=inf", "finite"]),
        ({"max_age": 10**400}, ["max_age=1", "finite"]),
        ({"max_age": timedelta(seconds=-1)}, ["max_age", "timedelta"]),
    ],
    ids=str,
)
def test_a_refusal_names_parameter_value_and_remedy(
    keywords: dict[str, object], hints: list[str]
) -> None:
    error = refusal(A, **keywords)
    assert len(error.faults) == 1
    for hint in hints:
        assert hint in str(error)


@pytest.mark.parametrize(
    ("origins", "named"),
    [
        ("*", ["'*'"]),
        ("null", ["'null'"]),
        (["*"], ["'*'"]),
        ([A, "*"], ["'*'"]),
        ([A, "null"], ["'null'"]),
        (["null", "*", A], ["'*'", "'null'"]),
        ([re.compile(".*"), "*"], ["'*'"]),
    ],
)
def test_credentials_for_everyone_are_refused(origins: object, named: list[str]) -> None:
    faults = refusal(origins, allow_credentials=True).faults
    assert len(faults) == len(named)
    for fault, name in zip(faults, named, strict=True):
        assert "allow_credentials=True" in fault
        assert name in fault
        assert "list the origins" in fault
        # The remedies are written so that they can be copied.
        written = re.findall(r"write (cors\(.*\))", fault)
        assert len(written) == 1
        policy = eval(written[0], {"cors": cors})
        assert policy == cors("*", allow_headers=["*", "authorization"])


def test_all_faults_are_reported_together() -> None:
    error = refusal(
        ["https://a.example/", "b.example", "null"],
        allow_methods=["GET,PUT"],
        allow_headers=["x y"],
        expose_headers="*",
        allow_credentials=True,
        max_age=-1,
    )
    assert len(error.faults) == 7
    lines = str(error).splitlines()
    assert lines[0] == "cors(...): 7 faults"
    assert [line.removeprefix("  - ") for line in lines[1:]] == list(error.faults)
    for text in ("https://a.example/", "b.example", "'null'", "GET,PUT", "x y", "'*'", "-1"):
        assert text in str(error)


def test_a_refusal_is_a_value_error() -> None:
    assert isinstance(refusal("example.com"), ValueError)


@pytest.mark.parametrize(
    "predicate", [lambda: True, lambda one, two, three: True, lambda *, origin: True]
)
def test_a_predicate_that_takes_other_arguments_is_refused(predicate: object) -> None:
    said = str(refusal(predicate))
    assert "(origin)" in said
    assert "(origin, request)" in said


def test_a_predicate_among_origins_is_refused() -> None:
    assert "cors(origins=is_tenant)" in str(refusal([A, lambda origin: True]))
