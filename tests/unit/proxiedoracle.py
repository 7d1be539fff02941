"""What proxies report, told the long way: every list whole, from the left, nothing remembered."""

import ipaddress
import re

from tests.unit.forwardedoracle import all_elements

__all__ = ["client_address", "told_by_elements", "told_by_lists"]

SCHEMES = {"http": "http", "ws": "http", "https": "https", "wss": "https"}
MOST = 100


def address_of(text: str) -> str | None:
    """The address in an entry, in its shortest form; `None` for what has none."""
    bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.]*)\](:\d{1,5})?", text, re.ASCII)
    port = re.fullmatch(r"([0-9.]*):\d{1,5}", text, re.ASCII)
    bare = bracketed[1] if bracketed else port[1] if port else text
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    if bracketed and address.version == 4:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


def is_trusted(address: str, networks: list[str]) -> bool:
    return any(
        ipaddress.ip_address(address) in ipaddress.ip_network(network) for network in networks
    )


def client_address(
    entries: list[str], networks: list[str], hops: int | None
) -> tuple[str | None, int]:
    """The client's address and the index, from the left, of the entry that tells of it."""
    addresses = [address_of(entry) for entry in entries]
    if hops is not None:
        index = len(entries) - hops
        return (addresses[index], index) if index >= 0 else (None, len(entries) - 1)
    first = max(0, len(entries) - MOST)
    known = None
    for index in range(len(entries) - 1, first - 1, -1):
        address = addresses[index]
        if address is None:
            return known, index
        known = address
        if not is_trusted(address, networks):
            return known, index
    return known, first


def split(lines: list[str]) -> list[str]:
    return [entry.strip(" \t") for line in lines for entry in line.split(",")]


def told_by_lists(
    headers: dict[str, list[str]], networks: list[str], hops: int | None
) -> tuple[str | None, str | None]:
    """Address and scheme as `X-Forwarded-For` and `X-Forwarded-Proto` have them."""
    entries = split(headers.get("X-Forwarded-For", []))
    protos = split(headers.get("X-Forwarded-Proto", []))
    address, index = client_address(entries, networks, hops)
    if not protos:
        return address, None
    proto = protos[index] if entries and len(protos) == len(entries) else protos[-1]
    return address, SCHEMES.get(proto.lower())


def told_by_elements(
    lines: list[str], networks: list[str], hops: int | None
) -> tuple[str | None, str | None]:
    """Address and scheme as `Forwarded` has them: its lines behind the last malformed one."""
    elements: list[dict[str, str]] = []
    for line in lines:
        found = all_elements(line)
        elements = [] if found is None else elements + found
    if not elements:
        return None, None
    address, index = client_address([one.get("for", "") for one in elements], networks, hops)
    proto = elements[index].get("proto") or elements[-1].get("proto", "")
    return address, SCHEMES.get(proto.lower())
