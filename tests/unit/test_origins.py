"""Origins and origin patterns: what each admits, and that it admits nothing else."""

import re

import pytest
from yarl import URL

from tests.unit.admitting import Origins, admits

EXACT = [
    (
        "https://app.example.com",
        ["https://app.example.com", "HTTPS://APP.EXAMPLE.COM", "https://App.Example.com"],
        [
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://app.example.com:443",
            "https://example.com",
            "https://x.app.example.com",
            "https://app.example.com.",
            "https://app.example.com/",
            "https://app-example.com",
            "app.example.com",
            "null",
            "",
        ],
    ),
    (
        "HTTPS://App.Example.COM:8443",
        ["https://app.example.com:8443"],
        ["https://app.example.com", "https://app.example.com:84430", "https://app.example.com:844"],
    ),
    ("http://localhost", ["http://localhost"], ["http://localhost:8080", "https://localhost"]),
    ("http://127.0.0.1:8080", ["http://127.0.0.1:8080"], ["http://127.0.0.1", "http://127.1:8080"]),
    (
        "http://[::1]:8080",
        ["http://[::1]:8080"],
        ["http://[::1]", "http://::1:8080", "http://[::2]:8080", "http://[0:0::1]:8080"],
    ),
    (
        "http://[2001:DB8::1]",
        ["http://[2001:db8::1]", "http://[2001:DB8::1]"],
        ["http://[2001:db8::10]", "http://[2001:db8:0::1]"],
    ),
    (
        "https://xn--bcher-kva.example",
        ["https://xn--bcher-kva.example", "https://XN--BCHER-KVA.example"],
        ["https://bücher.example", "https://b\u00fccher.example", "https://xn--bcher-kvb.example"],
    ),
    (
        "https://my_app.example.com",
        ["https://my_app.example.com"],
        ["https://my-app.example.com", "https://myapp.example.com", "https://my_app.example.comm"],
    ),
    ("https://_dmarc.example", ["https://_dmarc.example"], ["https://dmarc.example"]),
    (
        "chrome-extension://mfcpnhbaplhppnfphcppeplmdgohkbgb",
        ["chrome-extension://mfcpnhbaplhppnfphcppeplmdgohkbgb"],
        ["https://mfcpnhbaplhppnfphcppeplmdgohkbgb", "chrome-extension://other"],
    ),
    ("http://3.example", ["http://3.example"], ["http://03.example", "http://13.example"]),
    # Hosts that registries refuse, and browsers send.
    ("https://shop-.example.com", ["https://shop-.example.com"], ["https://shop.example.com"]),
    ("https://-shop.example.com", ["https://-shop.example.com"], ["https://shop.example.com"]),
    ("https://-.example", ["https://-.example"], ["https://--.example", "https://example"]),
    ("http://-", ["http://-"], ["http://--", "http://-:8080"]),
    (
        "http://box.lan.:8080",
        ["http://box.lan.:8080", "HTTP://BOX.LAN.:8080"],
        [
            "http://box.lan:8080",
            "http://box.lan.",
            "http://box.lan..:8080",
            "http://box.lan.x:8080",
        ],
    ),
    ("http://localhost.", ["http://localhost."], ["http://localhost", "http://localhost.:8080"]),
]

SUBDOMAINS = [
    (
        "https://*.example.com",
        [
            "https://a.example.com",
            "https://a.b.c.example.com",
            "https://example.com.example.com",
            "https://A.EXAMPLE.com",
            "https://xn--bcher-kva.example.com",
            "https://my_app.example.com",
            f"https://{'a' * 63}.example.com",
            "https://a-.example.com",
            "https://-a.b-.example.com",
        ],
        [
            "https://example.com",
            "https://.example.com",
            "https://*.example.com",
            "https://a..example.com",
            "https://aexample.com",
            "https://a-example.com",
            "https://a.example.com.evil.example",
            "https://a.example.comevil",
            "https://evil.example/.example.com",
            "https://evil.example?.example.com",
            "https://evil.example#.example.com",
            "https://evil.example\\.example.com",
            "https://evil@a.example.com",
            "https://a.example.com@evil.example",
            "http://a.example.com",
            "https://a.example.com:8443",
            "https://a.example.com:443",
            "https://a.example.com.",
            "https://bücher.example.com",
            "https://a-example.com",
            "https://-.aexample.com",
            "https://a.examplexcom",
            f"https://{'a' * 64}.example.com",
        ],
    ),
    (
        "https://*.example.com:8443",
        ["https://a.example.com:8443"],
        ["https://a.example.com", "https://a.example.com:18443", "https://example.com:8443"],
    ),
    ("http://*.localhost", ["http://app.localhost"], ["http://localhost", "http://applocalhost"]),
    (
        "https://*.example.com.",
        ["https://a.example.com.", "https://a-.-b.example.com."],
        ["https://a.example.com", "https://example.com.", "https://a.example.com.:8443"],
    ),
]

ANY_PORT = [
    (
        "http://localhost:*",
        ["http://localhost", "http://localhost:1", "http://localhost:65535", "http://LOCALHOST:81"],
        [
            "http://localhost:",
            "http://localhost:0",
            "http://localhost:080",
            "http://localhost:80",
            "http://localhost:65536",
            "http://localhost:*",
            "http://localhost:8080.evil.example",
            "http://localhost:evil",
            "http://localhost:8080:8080",
            "http://localhost:+8080",
            "http://localhost:80_80",
            "http://localhost:\u0661",
            "http://localhost.evil.example",
            "http://localhost.evil.example:8080",
            "http://a.localhost:8080",
            "https://localhost:8080",
        ],
    ),
    (
        "https://*.example.com:*",
        ["https://a.example.com", "https://a.b.example.com:8443", "https://a.example.com:80"],
        ["https://example.com", "https://example.com:8443", "https://a.example.com:443"],
    ),
    (
        "http://[::1]:*",
        ["http://[::1]", "http://[::1]:8080"],
        ["http://[::1", "http://[::1]8080", "http://::1:8080", "http://[::1]:80", "http://[::2]:1"],
    ),
    (
        "http://127.0.0.1:*",
        ["http://127.0.0.1", "http://127.0.0.1:3000"],
        ["http://127.0.0.10:3000", "http://127.0.0.1.evil.example:3000", "http://0127.0.0.1:3000"],
    ),
    ("ftp://files.example:*", ["ftp://files.example:2121"], ["ftp://files.example:21"]),
]

REGEXES = [
    (
        re.compile(r"https://[a-z]+\.example\.com"),
        ["https://app.example.com", "HTTPS://APP.EXAMPLE.COM"],
        [
            "https://app.example.com.evil.example",
            "https://app.example.com:8443",
            "https://app.example.com\n",
            "xhttps://app.example.com",
        ],
    ),
    # Alternatives and anchors do not loosen it: the whole origin must match.
    (
        re.compile(r"^https://a\.example|https://b\.example$"),
        ["https://a.example", "https://b.example"],
        ["https://a.example.evil.example", "https://evil.example/https://b.example"],
    ),
    # Whatever a regex would take, only what a browser sends gets as far.
    (
        re.compile(r".*", re.DOTALL),
        ["https://any.example", "http://[::1]:8080", "null"],
        [
            "",
            "evil",
            "https://",
            "https://a b",
            "https://a.example/",
            "https://a.example:443",
            "https://a.example:0",
            "https://bücher.example",
            "https://me@a.example",
            "https://a.example, https://b.example",
            "https://a.example https://b.example",
            "https://\u212a.example",
            "NULL",
            "Null",
            f"https://{'a.' * 300}example",
            f"{'a' * 600}://example",
        ],
    ),
    (re.compile("null"), ["null"], ["nul", "NULL", "http://null"]),
]

KEYWORDS = [
    ("*", ["https://any.example", "null", "", "garbage", "https://a.example:443"], []),
    (["https://a.example", "*"], ["https://any.example", "null", "garbage"], []),
    ("null", ["null"], ["", "NULL", "nullx", "http://null", "https://a.example"]),
    (["null", "https://a.example"], ["null", "https://a.example"], ["https://b.example"]),
]

URLS = [
    (URL("https://example.com"), ["https://example.com"], ["http://example.com"]),
    (URL("https://EXAMPLE.com/"), ["https://example.com"], ["https://example.com/"]),
    (URL("https://bücher.example"), ["https://xn--bcher-kva.example"], ["https://bücher.example"]),
    (URL("http://localhost:8080/"), ["http://localhost:8080"], ["http://localhost"]),
    (URL("http://[::1]:8080"), ["http://[::1]:8080"], ["http://[::1]"]),
    (URL("http://box.lan.:8080"), ["http://box.lan.:8080"], ["http://box.lan:8080"]),
]


@pytest.mark.parametrize(
    ("origins", "admitted", "refused"),
    [*EXACT, *SUBDOMAINS, *ANY_PORT, *REGEXES, *KEYWORDS, *URLS],
    ids=str,
)
def test_a_pattern_admits_what_it_says_and_nothing_else(
    origins: Origins, admitted: list[str], refused: list[str]
) -> None:
    ask = admits(origins)
    assert [origin for origin in admitted if not ask(origin)] == []
    assert [origin for origin in refused if ask(origin)] == []


@pytest.mark.parametrize(
    "origins",
    [
        "https://app.example.com",
        "https://*.example.com",
        "https://app.example.com:*",
        "https://*.example.com:*",
        re.compile("https://.*example.com.*"),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.\u212aom",
        "https://app.e\u03c7ample.com",
        "https://app\u3002example.com",
        "https://app.example.com\u200b",
        "https://app.example.com\ufeff",
        "https://app.example.com\udc80",
        "https://app.example.com\x00",
        "https://app.example.com\t",
        "\thttps://app.example.com",
        "https://app.example.com ",
        "https://app.example.com\x85",
        "https:\u2044\u2044app.example.com",
        "https://app.example.com:\uff18",
    ],
    ids=ascii,
)
def test_characters_that_look_or_case_fold_like_others_are_refused(
    origins: Origins, origin: str
) -> None:
    assert not admits(origins)(origin)


def test_origins_and_patterns_of_every_sort_stand_beside_each_other() -> None:
    ask = admits(
        [
            "https://app.example.com",
            "https://*.partner.example",
            "http://localhost:*",
            re.compile(r"https://pr-[0-9]+\.preview\.example"),
            URL("https://url.example/"),
            "null",
        ]
    )
    for origin in (
        "https://app.example.com",
        "https://a.partner.example",
        "http://localhost:5173",
        "https://pr-7.preview.example",
        "https://url.example",
        "null",
    ):
        assert ask(origin), origin
    for origin in ("https://partner.example", "https://pr-x.preview.example", "https://localhost"):
        assert not ask(origin), origin


def test_the_longest_origin_that_dns_allows_is_admitted_and_longer_ones_are_not() -> None:
    longest = ".".join(["a" * 63] * 3 + ["a" * 61])
    assert len(longest) == 253
    assert admits("https://" + longest)("https://" + longest)
    assert admits(f"https://{longest}.")(f"https://{longest}.")
    assert not admits(re.compile(".*"))("https://" + ".".join(["a" * 63] * 5))
    assert not admits(re.compile(".*"))(f"https://{longest}a.")
