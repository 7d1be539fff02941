"""An oracle for `cors`, written by hand: what may be granted at most, by policies of every sort.

It splits and compares, shares no code with the policy and uses no regex.
"""

import re
import string
from collections.abc import Callable
from dataclasses import dataclass

from routeguard import cors

TOKEN_CHARACTERS = frozenset(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~")
SCHEME_CHARACTERS = frozenset(string.ascii_lowercase + string.digits + "+-.")
DEFAULT_PORTS = {"http": "80", "https": "443"}
HOST_CHARACTERS = frozenset(string.ascii_lowercase + string.digits + "-_.")
DEFAULT_HEADERS = (
    "accept accept-encoding authorization content-type dnt origin user-agent x-csrftoken "
    "x-requested-with"
).split()


def folded(text: str) -> str:
    """ASCII letters in lower case, everything else as it is."""
    return "".join(chr(ord(one) + 32) if "A" <= one <= "Z" else one for one in text)


def split(origin: str) -> tuple[str, list[str], str] | None:
    """Scheme, labels of the host, and port, of what can be an origin with a host name or IPv4."""
    scheme, mark, rest = origin.partition("://")
    host, colon, port = rest.partition(":")
    if not mark or not set(scheme) <= SCHEME_CHARACTERS or not set(host) <= HOST_CHARACTERS:
        return None
    if colon and (not port or not set(port) <= set(string.digits) or port[0] == "0"):
        return None
    if colon and (int(port) > 65535 or port == DEFAULT_PORTS.get(scheme)):
        return None
    labels = host.split(".")
    return None if "" in labels else (scheme, labels, port)


def exact(origin: str) -> bool:
    return origin in ("https://app.example.com", "http://localhost:8080", "http://[::1]:8080")


def subdomain(origin: str) -> bool:
    parts = split(origin)
    return parts is not None and (
        parts[0] == "https" and len(parts[1]) > 2 and parts[1][-2:] == ["example", "com"]
    ) and parts[2] == ""  # fmt: skip


def any_port(origin: str) -> bool:
    parts = split(origin)
    return parts is not None and parts[:2] == ("http", ["localhost"])


def any_tenant(origin: str) -> bool:
    return split(origin) is not None and origin.endswith("tenant")


def tenant(origin: str) -> bool:
    return any_tenant(origin) and origin.startswith("https://")


def nobody(origin: str) -> bool:
    return origin == "null"


def asked_predicate(origin: str) -> bool:
    if "raise" in origin:
        raise LookupError(origin)
    return origin.startswith("https://") and origin.endswith("tenant")


@dataclass(frozen=True)
class Case:
    policy: cors
    may: Callable[[str], bool]
    headers: frozenset[str] = frozenset(DEFAULT_HEADERS)
    methods: frozenset[str] = frozenset({"GET", "HEAD", "POST", "PUT"})


CASES = {
    "exact": Case(
        cors(["https://app.example.com", "http://localhost:8080", "http://[::1]:8080"]), exact
    ),
    "subdomain": Case(
        cors("https://*.example.com", allow_headers=["x-key"], allow_methods=[]),
        subdomain,
        frozenset({"x-key"}),
        frozenset({"GET", "HEAD", "POST"}),
    ),
    "port": Case(cors("http://localhost:*", allow_credentials=True), any_port),
    "regex": Case(
        cors(re.compile(r".*tenant"), allow_credentials=True, allow_headers="*"),
        any_tenant,
        frozenset({"*"}),
    ),
    "predicate": Case(cors(asked_predicate, allow_headers=["*"]), tenant, frozenset({"*"})),
    "null": Case(cors(["null", "https://app.example.com"]), lambda o: nobody(o) or exact(o)),
}


ALLOWED = {
    "exact": "https://app.example.com",
    "subdomain": "https://a.example.com",
    "port": "http://localhost:1",
    "regex": "https://x.tenant",
    "predicate": "https://x.tenant",
    "null": "null",
}


def may_read(case: Case, lines: list[str]) -> str | None:
    """The origin that may be named in an answer, at most."""
    if len(lines) != 1 or not lines[0].isascii():
        return None
    origin = folded(lines[0])
    if origin == "null" and (lines[0] != "null" or case.policy.allow_credentials):
        return None
    return origin if case.may(origin) else None


def may_send(case: Case, lines: list[str]) -> bool:
    """Whether the names in Access-Control-Request-Headers may be granted."""
    for name in ",".join(lines).split(","):
        name = name.strip(" \t")
        if name and not set(name) <= TOKEN_CHARACTERS:
            return False
        if "*" in case.headers and not case.policy.allow_credentials:
            if folded(name) == "authorization":
                return False
        elif "*" not in case.headers and name and folded(name) not in case.headers:
            return False
    return True
