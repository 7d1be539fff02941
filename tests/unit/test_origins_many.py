"""Ten thousand origins behave as one does, and any text as an origin is taken or refused."""

import contextlib

from hypothesis import assume, example, given
from hypothesis import strategies as st

from routeguard import ConfigError, cors
from tests.unit.admitting import admits

# --- ten thousand origins behave as one -----------------------------------------------------------

MANY = 2_500  # of each of four sorts


def test_ten_thousand_origins_admit_exactly_what_each_of_them_alone_admits() -> None:
    exact = [f"https://app{i}.example.com" for i in range(MANY)]
    any_port = [f"http://host{i}.example.org:*" for i in range(MANY)]
    subdomains = [f"https://*.zone{i}.example.net" for i in range(MANY)]
    both = [f"https://*.wide{i}.example.info:*" for i in range(MANY)]
    ask = admits([*exact, *any_port, *subdomains, *both])
    for i in (0, 1, 7, MANY // 2, MANY - 1):
        probes = [
            f"https://app{i}.example.com",
            f"https://app{i}.example.com:8443",
            f"http://app{i}.example.com",
            f"https://x.app{i}.example.com",
            f"https://app{i}.example.com.evil.example",
            f"http://host{i}.example.org",
            f"http://host{i}.example.org:3000",
            f"https://host{i}.example.org:3000",
            f"http://x.host{i}.example.org",
            f"https://zone{i}.example.net",
            f"https://a.b.zone{i}.example.net",
            f"https://a.zone{i}.example.net:8443",
            f"https://azone{i}.example.net",
            f"https://wide{i}.example.info:8443",
            f"https://a.wide{i}.example.info:8443",
            f"https://a.wide{i}.example.info",
        ]
        alone = [admits(patterns[i]) for patterns in (exact, any_port, subdomains, both)]
        for origin in probes:
            assert ask(origin) == any(one(origin) for one in alone), origin
    beyond = [
        f"https://app{MANY}.example.com",
        f"http://host{MANY}.example.org",
        f"https://a.zone{MANY}.example.net",
        f"https://a.wide{MANY}.example.info",
        "https://example.com",
        "null",
    ]
    assert [origin for origin in beyond if ask(origin)] == []


# --- whatever is written --------------------------------------------------------------------------

WRITTEN = st.one_of(
    st.text(max_size=40),
    st.text("*:./@[]-_%#?aA0189 \u00fc\u212a", max_size=20).map(lambda text: "https://" + text),
    st.text("0123456789abcdef:.%", max_size=16).map(lambda text: f"http://[{text}]"),
    st.text("0123456789.x", max_size=16).map(lambda text: f"http://{text}"),
    st.from_regex(
        r"(https?|app)://([a-z0-9_-]{1,5}\.){0,3}[a-z]{1,4}(:[0-9]{1,6})?", fullmatch=True
    ),
)


@given(WRITTEN)
@example("[]\x80@")
def test_any_text_is_accepted_or_refused_with_its_faults(text: str) -> None:
    refused = None
    try:
        cors(text)
    except ConfigError as error:
        refused = error
    assert refused is None or (refused.faults and all(refused.faults))


@given(WRITTEN)
@example("http://[::%0]")
def test_an_exact_origin_that_is_accepted_admits_itself(text: str) -> None:
    ask = None
    with contextlib.suppress(ConfigError):
        ask = admits(text)
    if ask is not None and "*" not in text:
        assert ask(text)
        assert ask(text.lower())
        assert not ask(text + ".evil.example")


LABELS = st.from_regex(r"[a-z0-9_]([a-z0-9-]{0,6}[a-z0-9])?", fullmatch=True)


@given(
    st.lists(LABELS, min_size=1, max_size=4),
    st.lists(LABELS, max_size=3),
    st.one_of(st.none(), st.integers(1, 65535)),
)
def test_a_subdomain_pattern_admits_one_or_more_labels_in_front(
    front: list[str], back: list[str], port: int | None
) -> None:
    apex = ".".join([*back, "example", "com"])
    assume(port != 443)
    suffix = "" if port is None else f":{port}"
    ask = admits([f"https://*.{apex}:*"])
    assert ask(f"https://{'.'.join(front)}.{apex}{suffix}")
    assert not ask(f"https://{apex}{suffix}")
    assert not ask(f"https://{'.'.join(front)}{apex}{suffix}")
    assert not ask(f"https://{'.'.join(front)}.{apex}.evil.example{suffix}")
