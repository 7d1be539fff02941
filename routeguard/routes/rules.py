"""URL rules: the patterns, and the index that finds the rules of a path in constant time."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from aiohttp import hdrs
from yarl import URL

from routeguard.configuration import Faults, listed, shown
from routeguard.http import TOKEN
from routeguard.paths import resolved_path
from routeguard.policies.exempt import kinds_of
from routeguard.policy import Policy, is_async, kind_name
from routeguard.routes.names import PLACEHOLDER, canonical_form, full_form

__all__ = ["Pattern", "Rule", "RuleIndex", "check_policies", "rule"]

METHOD = r"[A-Za-z][A-Za-z0-9_-]*"
METHOD_LIST = re.compile(rf"(?P<methods>{METHOD}(?:,{METHOD})*) +(?P<path>(?!{METHOD}\s+/)\S.*)")
SPACED_METHODS = re.compile(rf"({METHOD}(?:[\s,]+{METHOD})*)\s+(/\S*)")
NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a rule's pattern was read as.

    Attributes:
        kind: how it matches.
        text: a path; of a prefix what stands before `/*`; of a canonical pattern that has
            regexes its full form, which names one resource.
        regex: the compiled regex, of a pattern that is one.
    """

    kind: Literal["exact", "canonical", "prefix", "regex"]
    text: str
    regex: re.Pattern[str] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What a resource that a canonical pattern names is called, as `names_of` has it."""
        return (self.text, canonical_form(self.text))


@dataclass(frozen=True, slots=True)
class Rule:
    """Policies for the URLs that match; made by `rule`."""

    pattern: Pattern
    methods: frozenset[str] | None
    policies: tuple[Policy, ...]
    given: str

    def covers(self, method: str) -> bool:
        """Whether the rule is for this method, whatever the path."""
        return self.methods is None or method in self.methods

    def __str__(self) -> str:
        return self.given


def rule(
    pattern: str | re.Pattern[str] | URL,
    *policies: Policy,
    methods: str | Collection[str] | None = None,
) -> Rule:
    """Policies for the URLs that match a pattern.

    Args:
        pattern: `"/health"` (exactly that path), `"/users/{id}"` (every path of the resources
            registered under that canonical pattern), `"/func/{path:saml/.*}"` (of the one
            registered under that text), `"/api/*"` (`/api/` and everything below it), each also
            with methods in front (`"POST,PUT /api/*"`); a `yarl.URL` with nothing but a path; or
            a compiled regular expression, tried with `pattern.match(path)`.
            Patterns are relative to the application given to `setup`, and see the path
            percent-decoded, with its dot segments resolved.
        policies: one or more policies, each kind at most once (`use` as often as wanted).
        methods: the methods that the rule is for, in any case; GET includes HEAD. All, by
            default.

    Returns:
        A value to give to `setup`.

    Raises:
        ConfigError: the pattern is none; a method is none; there is no policy, or one kind
            twice, or something that is no policy.
    """
    faults = Faults(f"rule({shown(pattern)})")
    prefix_methods, parsed = _parse(pattern, faults)
    if methods is not None and prefix_methods is not None:
        faults.add(
            f"methods stand both before the path and in methods={shown(methods)}: say them once"
        )
    chosen = _methods(prefix_methods if methods is None else methods, faults)
    check_policies(policies, faults)
    if not policies:
        faults.add('it has no policy: write rule("/api/*", timeout(5))')
    faults.raise_any()
    given = pattern.pattern if isinstance(pattern, re.Pattern) else str(pattern)
    if methods is not None and chosen is not None:
        named = {methods} if isinstance(methods, str) else methods
        given = f"{','.join(sorted(name.upper() for name in named))} {given}"
    return Rule(parsed, chosen, tuple(policies), given)


def check_policies(policies: Sequence[object], faults: Faults) -> None:
    """Notes what is no policy, and what is said twice, among policies given together."""
    seen: dict[type[Policy], list[Policy]] = {}
    for policy in policies:
        if isinstance(policy, type) and issubclass(policy, Policy):
            name = kind_name(policy)
            faults.add(f"{name} is a kind of policy, not a policy: write {name}(...)")
        elif not isinstance(policy, Policy):
            faults.add(f"{shown(policy)} is no policy: {_remedy_for(policy)}")
        else:
            for kind in sorted(kinds_of(policy), key=kind_name):
                stated = seen.setdefault(kind, [])
                if stated and not kind.adds_up:
                    faults.add(
                        f"{kind_name(kind)} is stated twice, by {stated[-1]!r} and {policy!r}: "
                        f"keep one"
                    )
                for other in stated if kind.adds_up else ():
                    if (both := policy.conflict(other)) is not None:
                        faults.add(f"{other!r} and {policy!r} {both}")
                stated.append(policy)


def _remedy_for(given: object) -> str:
    """What to write in place of something that is no policy."""
    if isinstance(given, list | tuple | set | frozenset):
        return "write a * in front of it, which gives each of its items"
    if isinstance(given, Rule):
        return "rules are given to setup, and not to another rule"
    if callable(given) and is_async(given):
        name = getattr(given, "__name__", None) or repr(given)
        return f"write use({name}) if it is a middleware, errors({name}) if it answers errors"
    return "write timeout(5), shield, cors([...]) …"


def _parse(
    pattern: str | re.Pattern[str] | URL, faults: Faults
) -> tuple[list[str] | None, Pattern]:
    if isinstance(pattern, re.Pattern):
        if isinstance(pattern.pattern, bytes):
            faults.add("the regex is of bytes, and paths are text: leave out the b before it")
        return None, Pattern("regex", pattern.pattern, pattern)
    if isinstance(pattern, URL):
        if pattern.is_absolute() or pattern.raw_query_string or pattern.raw_fragment:
            faults.add(f"a URL with more than a path: write URL({pattern.raw_path!r})")
        if not pattern.raw_path.startswith("/"):
            faults.add(f"the path {pattern.raw_path!r} does not begin with /")
        return None, Pattern("exact", resolved_path(pattern.path))
    if not isinstance(pattern, str):
        several = isinstance(pattern, Collection)
        remedy = "write a rule for each" if several else "write '/users/{id}' or '/api/*'"
        faults.add(f"the pattern must be a str, a compiled regex or a yarl.URL: {remedy}")
        return None, Pattern("exact", "")
    found = METHOD_LIST.fullmatch(pattern)
    methods = found["methods"].split(",") if found else None
    path = found["path"] if found else pattern
    kind = _kind_of_path(path, faults)
    if kind == "prefix":
        path = path[:-2]
    elif kind == "canonical" and path != canonical_form(path):
        path = full_form(path)
    return methods, Pattern(kind, path)


def _kind_of_path(path: str, faults: Faults) -> Literal["exact", "canonical", "prefix"]:
    if not path.startswith("/"):
        _explain_no_slash(path, faults)
        return "exact"
    for mark, what in (("?", "a query"), ("#", "a fragment")):
        if mark in PLACEHOLDER.sub("", path):
            faults.add(f"{shown(path)} has {what}, and rules see the path alone: leave it out")
    if re.search(r"%[0-9A-Fa-f]{2}", PLACEHOLDER.sub("", path)):
        faults.add(
            f"{shown(path)} is percent-encoded, and rules see decoded paths: "
            f"write {shown(URL(path, encoded=True).path)}, or URL({path!r})"
        )
    resolved = _resolved_around_placeholders(path)
    if path.startswith("/") and resolved != path:
        faults.add(
            f"rules see paths with dot segments resolved and slashes single: "
            f"write {shown(resolved)}"
        )
    if "{" in path or "}" in path:
        _check_canonical(path, faults)
        return "canonical"
    if path.endswith("/*") and "*" not in path[:-1]:
        return "prefix"
    if "*" in path:
        faults.add(
            f"{shown(path)} has a * that is not the last segment: "
            f'write "/api/*" for a prefix, or re.compile(...)'
        )
    return "exact"


def _resolved_around_placeholders(path: str) -> str:
    """A path with its dot segments resolved, but for what stands in the braces."""
    whole = [found[0] for found in PLACEHOLDER.finditer(path)]
    numbers = iter(range(len(whole)))
    resolved = resolved_path(PLACEHOLDER.sub(lambda _: f"{{{next(numbers)}}}", path))
    return re.sub(r"\{(\d+)\}", lambda found: whole[int(found[1])], resolved)


def _explain_no_slash(path: str, faults: Faults) -> None:
    fault = f"the path {shown(path)} does not begin with /"
    if spaced := SPACED_METHODS.fullmatch(path):
        remedy = f"{','.join(re.findall(METHOD, spaced[1]))} {spaced[2]}"
    elif path.strip().upper() in hdrs.METH_ALL:
        remedy = f"{path.strip().upper()} /api/*"
    elif "://" in path:
        remedy = URL(path).path if URL(path).path.startswith("/") else "/api/*"
    else:
        remedy = f"/{path.strip().lstrip('/')}"
    faults.add(f"{fault}: write {shown(remedy)}")


def _check_canonical(path: str, faults: Faults) -> None:
    if "*" in PLACEHOLDER.sub("", path):
        faults.add(
            f"{shown(path)} mixes a placeholder with a *: a canonical pattern names one resource "
            f"as it was registered; for everything below it write re.compile(...)"
        )
    for found in PLACEHOLDER.finditer(path):
        if not NAME.fullmatch(found["name"]):
            faults.add(f"{shown(found[0])} is no placeholder: write {{id}}")
        elif found["regex"] is not None:
            _check_regex(found[0], found["name"], found["regex"], faults)
    bare = PLACEHOLDER.sub("", path)
    if "{" in bare or "}" in bare:
        faults.add(f"the braces of {shown(path)} do not pair: write /users/{{id}}")


def _check_regex(placeholder: str, name: str, regex: str, faults: Faults) -> None:
    if not regex:
        faults.add(f"{shown(placeholder)} has no regex after the colon: write {{{name}}}")
        return
    try:
        re.compile(f"(?P<{name}>{regex})")
    except re.error as error:
        faults.add(
            f"{shown(placeholder)} has no valid regex ({error}): write the placeholder as the "
            f"route has it, or {{{name}}}"
        )


def _methods(methods: str | Collection[str] | None, faults: Faults) -> frozenset[str] | None:
    if methods is None:
        return None
    names = listed("methods", methods, "methods=['POST', 'PUT']", faults)
    if isinstance(methods, Collection) and not names:
        faults.add("methods is empty, so that the rule is for no request: leave it out for all")
    chosen = set()
    for name in names:
        if not isinstance(name, str) or not TOKEN.fullmatch(name):
            faults.add(f"{shown(name)} is no HTTP method: write methods=['POST', 'PUT']")
        elif name == "*":
            faults.add('"*" is no HTTP method: leave methods out for all')
        else:
            chosen.add(name.upper())
    if "GET" in chosen:
        chosen.add("HEAD")
    return frozenset(chosen)


class RuleIndex:
    """The rules of one application, found by path and resource without trying each."""

    __slots__ = (
        "_canonical",
        "_depth",
        "_exact",
        "_prefixes",
        "_regexes",
        "_sorted_exact",
        "_sorted_prefixes",
        "rules",
    )

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules: tuple[Rule, ...] = tuple(rules)
        self._exact: dict[str, list[int]] = {}
        self._canonical: dict[str, list[int]] = {}
        self._prefixes: dict[str, list[int]] = {}
        self._regexes: list[tuple[int, re.Pattern[str]]] = []
        self._depth = 0
        for position, one in enumerate(self.rules):
            match one.pattern:
                case Pattern("exact", text):
                    self._exact.setdefault(text, []).append(position)
                case Pattern("canonical", text):
                    self._canonical.setdefault(text, []).append(position)
                case Pattern("prefix", text):
                    self._prefixes.setdefault(text, []).append(position)
                    self._depth = max(self._depth, text.count("/"))
                case Pattern(regex=re.Pattern() as regex):
                    self._regexes.append((position, regex))
        self._sorted_exact = sorted(self._exact)
        self._sorted_prefixes = sorted(f"{prefix}/" for prefix in self._prefixes)

    @property
    def by_name(self) -> bool:
        """Whether any rule goes by the names of resources."""
        return bool(self._canonical)

    @property
    def by_path(self) -> bool:
        """Whether any rule goes by the path rather than by the resource."""
        return bool(self._exact or self._prefixes or self._regexes)

    def matching(self, method: str, path: str, names: Iterable[str]) -> tuple[int, ...]:
        """The positions of the rules for a request, in the order they were given.

        Args:
            method: the request's method, in upper case.
            path: the path, relative and resolved.
            names: the names of the matched resources, as `names_of` tells them.
        """
        found = self._exact.get(path, [])[:]
        for name in names:
            found += self._canonical.get(name, [])
        if self._prefixes:
            for ancestor in self._ancestors(path):
                found += self._prefixes.get(ancestor, [])
        found += [position for position, regex in self._regexes if regex.match(path)]
        found.sort()
        return tuple(position for position in found if self.rules[position].covers(method))

    def _ancestors(self, path: str) -> Iterator[str]:
        # Deeper than the deepest prefix configured nothing can match.
        end = 0
        yield ""
        for _ in range(self._depth):
            end = path.find("/", end + 1)
            if end < 0:
                return
            yield path[:end]

    def splits(self, fixed: str) -> bool:
        """Whether the paths that begin with a text do not all have the same rules.

        Args:
            fixed: what all paths of one resource begin with, such as `/users/`.
        """
        return bool(self._regexes) or self.inside(fixed, "") is not None

    def inside(self, fixed: str, usual: str) -> "Inside | None":
        """What is said of some of the paths that begin with a text; `None` where nothing is.

        Args:
            fixed: what all paths of one resource begin with, such as `/users/`.
            usual: a path of the resource that stands for all that no rule looks at by itself.
        """
        exact = frozenset(_inside(self._sorted_exact, fixed))
        prefixes = frozenset(
            path[:-1] for path in _inside(self._sorted_prefixes, fixed, beyond=True)
        )
        if not exact and not prefixes and not self._regexes:
            return None
        start = len(fixed)
        stop = min(map(len, prefixes), default=start)
        firsts = frozenset(path[start:stop] for path in prefixes)
        regexes = tuple((one, one.match(usual) is not None) for _, one in self._regexes)
        return Inside(exact, prefixes, firsts, start, stop, regexes)


def _inside(paths: Sequence[str], fixed: str, *, beyond: bool = False) -> Iterator[str]:
    """Those of some sorted paths that begin with a text; `beyond`: and are longer than it."""
    place = (bisect_right if beyond else bisect_left)(paths, fixed)
    while place < len(paths) and paths[place].startswith(fixed):
        yield paths[place]
        place += 1


@dataclass(frozen=True, slots=True)
class Inside:
    """What rules say of some of the paths with one beginning, and not of all.

    Attributes:
        exact: the paths that rules name.
        prefixes: the prefixes below which rules name all paths.
        firsts: the characters that the prefixes have from `start` to `stop`, as many as the
            shortest of them has; most paths have others there.
        start: the length of the beginning.
        stop: the end of those characters.
        regexes: regular expressions, and whether each matches the usual path.
    """

    exact: frozenset[str]
    prefixes: frozenset[str]
    firsts: frozenset[str]
    start: int
    stop: int
    regexes: tuple[tuple[re.Pattern[str], bool], ...]

    def spot(self, path: str) -> str | None:
        """What rules name of a path; all paths of one spot have the same rules.

        Returns:
            `""` where the same rules match as match the usual path. The path itself, or `below` and
            the deepest of the prefixes that it is below, where rules name that. `None` where only
            the whole tells: where something is encoded in the path, where `resolved_path` makes
            another path of it, and where the regular expressions tell them apart.
        """
        if "%" in path or "/." in path or "//" in path:
            return None
        for regex, usual in self.regexes:
            if (regex.match(path) is not None) is not usual:
                return None
        if self.exact and path in self.exact:
            return path
        spot = ""
        if self.firsts and path[self.start : self.stop] in self.firsts:
            end = path.find("/", self.stop)
            while end >= 0:
                if path[:end] in self.prefixes:
                    spot = f"below {path[:end]}"
                end = path.find("/", end + 1)
        return spot
