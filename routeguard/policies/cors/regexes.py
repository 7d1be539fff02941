"""Regexes for origins: origins that one admits though it does not look so.

A regex is read as far as origins need it, and example origins are made from it. An example that
belongs to another registered domain than the regex seems to name is the proof that it admits
more than it looks.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product

from routeguard.origins.patterns import serialised
from routeguard.origins.suffixes import registrable, split_pattern

__all__ = ["admitted", "loose_parts", "stranger"]

TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?:\?(?:P<\w+>|:))?|.", re.DOTALL)
QUANTIFIER = re.compile(r"(?:[*+?]|\{\d*(?:,\d*)?\})[?+]?")
COUNT = re.compile(r"\{(\d+)[\d,]*\}[?+]?$")
LONGEST_LABEL = 63
SETS = frozenset(r"\d \w \s \S \D \W .".split())
ANCHORS = frozenset(["^", "$", r"\A", r"\Z", r"\b", r"\B"])
# What is tried for a part that may vary, the most ordinary first.
FILLINGS = (
    *("www.", "", "a", "1", "443", "com", "net", "io", "de", "aa", "11", "evil", "evil-"),
    *(".evil.com", "evil.com", "-evil.com"),
    *("://www.example.com", "://evil.com", "https://www.example.com", "https://evil.com"),
)
MOST_TRIED = 500


@dataclass(frozen=True, slots=True)
class Loose:
    """A part of a regex that stands for several texts."""

    text: str

    def fillings(self) -> list[str]:
        """Texts that it matches; for a single dot first what it looks like."""
        if self.text == ".":
            return [".", "x", "-"]
        counted = COUNT.search(self.text)
        least = 0 if counted is None else min(int(counted[1]), LONGEST_LABEL)
        return [
            filling
            for filling in (*FILLINGS, *(character * least for character in "ab12"))
            if re.fullmatch(self.text, filling)
        ]


Part = str | Loose
Parts = tuple[Part, ...]


class NotReadError(Exception):
    """The regex has something that is not read here, such as a look-ahead."""


def loose_parts(regex: re.Pattern[str]) -> list[str]:
    """The dots of a regex that are not escaped, each with its quantifier: `.`, `.*`."""
    found: list[str] = []
    end = 0
    while (token := TOKEN.match(regex.pattern, end)) is not None:
        end = token.end()
        if token[0] == ".":
            repeated = QUANTIFIER.match(regex.pattern, end)
            found.append("." + ("" if repeated is None else repeated[0]))
    return found


def admitted(regex: re.Pattern[str]) -> list[str]:
    """Examples of the origins that a regex admits; none where it is not understood."""
    return list(dict.fromkeys(origin for _, origins in _families(regex) for origin in origins))


def stranger(regex: re.Pattern[str]) -> tuple[str, str] | None:
    """An origin that a regex seems to be for, and one of another owner that it admits too."""
    for ordinary, origins in _families(regex):
        owner = registrable(split_pattern(ordinary)[1])
        others = [one for one in origins if registrable(split_pattern(one)[1]) not in (None, owner)]
        if others:
            # What somebody else may choose at will tells more than a digit.
            return ordinary, next((one for one in others if "evil" in one), others[0])
    return None


def _families(regex: re.Pattern[str]) -> Iterator[tuple[str, list[str]]]:
    """For each way through a regex's alternatives: an ordinary origin, and its variations."""
    try:
        ways = _Reader(regex).ways()
    except (NotReadError, re.error):
        return
    for way in ways:
        choices = [[part] if isinstance(part, str) else part.fillings() for part in way]
        tried = islice(product(*choices), MOST_TRIED)
        ordinary = next((list(one) for one in tried if _admits(regex, "".join(one))), None)
        if ordinary is None:
            continue
        varied = ["".join(ordinary)]
        for place, options in enumerate(choices):
            varied += ["".join([*ordinary[:place], one, *ordinary[place + 1 :]]) for one in options]
        yield varied[0], [origin for origin in varied if _admits(regex, origin)]


def _admits(regex: re.Pattern[str], origin: str) -> bool:
    return serialised(origin) == origin and regex.fullmatch(origin) is not None


class _Reader:
    """Reads a regex into the ways that lead through its alternatives."""

    def __init__(self, regex: re.Pattern[str]) -> None:
        if regex.flags & re.VERBOSE:
            raise NotReadError
        self._text = regex.pattern
        self._at = 0

    def ways(self) -> list[Parts]:
        """Every way through the whole regex, or the first few hundred."""
        found = self._alternatives()
        if self._at < len(self._text):
            raise NotReadError
        return found

    def _alternatives(self) -> list[Parts]:
        found: list[Parts] = []
        sequence: list[list[Parts]] = []
        while self._at < len(self._text) and self._text[self._at] != ")":
            if self._text[self._at] == "|":
                self._at += 1
                found += _combined(sequence)
                sequence = []
            else:
                sequence.append(self._item())
        return (found + _combined(sequence))[:MOST_TRIED]

    def _item(self) -> list[Parts]:
        token = TOKEN.match(self._text, self._at)
        assert token is not None
        self._at = token.end()
        text = token[0]
        if text.startswith("("):
            ways = self._group(text)
        elif text in SETS or text.startswith("["):
            return self._loose(text)
        elif text in ANCHORS:
            ways = [()]
        elif text.startswith("\\"):
            if text[1].isalnum():
                raise NotReadError  # a back-reference, or a character by its number
            ways = [(text[1],)]
        else:
            ways = [(text,)]
        repeated = self._quantifier()
        return [(), *ways] if repeated.startswith(("?", "*", "{0", "{,")) else ways

    def _group(self, opening: str) -> list[Parts]:
        if opening == "(" and self._text[self._at : self._at + 1] == "?":
            raise NotReadError
        ways = self._alternatives()
        if self._text[self._at : self._at + 1] != ")":
            raise NotReadError
        self._at += 1
        return ways

    def _loose(self, text: str) -> list[Parts]:
        return [(Loose(text + self._quantifier()),)]

    def _quantifier(self) -> str:
        found = QUANTIFIER.match(self._text, self._at)
        if found is None:
            return ""
        self._at = found.end()
        return found[0]


def _combined(sequence: list[list[Parts]]) -> list[Parts]:
    ways = islice(product(*sequence), MOST_TRIED)
    return [tuple(part for parts in way for part in parts) for way in ways]
