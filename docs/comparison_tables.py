"""Writes the tables of the comparison from the figures that were measured.

    python docs/comparison_tables.py          # writes docs/data/*.inc
    python docs/comparison_tables.py --check  # exit status 1 where they are not up to date

`docs/data/benchmarks.json` comes from `python -m tests.benchmarks --check-budget --json`,
`docs/data/limiting.json` from `python -m tests.benchmarks --limits --json`, and
`docs/data/durability.json` from `python -m tests.faults.compare --json`.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
OURS = ("decorator", "rule", "fallback")
NOTE = "<!-- Written by docs/comparison_tables.py: change the figures, not this. -->\n\n"

Row = Sequence[object]


def table(head: Row, rows: Iterable[Row]) -> str:
    """A Markdown table; the first column is text, the others are figures."""
    lines = [_line(head), _line(["---", *["--:"] * (len(head) - 1)])]
    return "\n".join([*lines, *[_line(row) for row in rows]]) + "\n"


def _line(cells: Row) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _figure(value: float) -> str:
    return f"{value:.1f}" if abs(value) < 100 else f"{value:.0f}"


def cost(figures: dict[str, Any]) -> str:
    """Overhead by contender and kind of request."""
    scenarios = figures["scenarios"]
    known: dict[str, str] = {}
    for scenario in scenarios.values():
        for name, one in scenario["contenders"].items():
            known.setdefault(name, one["title"])
    known.pop("bare", None)
    rows = []
    for name, title in known.items():
        cells = [_cell(scenario["contenders"].get(name)) for scenario in scenarios.values()]
        rows.append([f"**{title}**" if name in OURS else title, *cells])
    bare = [
        _figure(scenario["contenders"]["bare"]["cost"]["median"]) for scenario in scenarios.values()
    ]
    rows.append(["*the bare request itself*", *[f"*{cell}*" for cell in bare]])
    return table(["", *[scenario["title"] for scenario in scenarios.values()]], rows)


def _cell(contender: dict[str, Any] | None) -> str:
    if contender is None:
        return "–"
    mark = "*" if contender["leaves_undone"] else ""
    return f"{_figure(contender['overhead']['median'])}{mark and chr(92) + mark}"


def slower(figures: dict[str, Any]) -> str:
    """Every case in which routeguard costs more than somebody who does as much."""
    lines = []
    for scenario in figures["scenarios"].values():
        contenders = scenario["contenders"]
        ours = {name: contenders[name]["overhead"]["median"] for name in OURS if name in contenders}
        if not ours:
            continue
        worst = max(ours.values())
        for name, one in contenders.items():
            theirs = one["overhead"]["median"]
            comparable = name not in (*OURS, "bare", "none") and not one["leaves_undone"]
            if comparable and worst > theirs:
                lines.append(
                    f"- {scenario['title']}: {_figure(worst)} µs, where {one['title']} takes "
                    f"{_figure(theirs)} µs."
                )
    if not lines:
        return "In none of these requests does it cost more than a contender that does as much.\n"
    return "\n".join(lines) + "\n"


def budget(figures: dict[str, Any]) -> str:
    """The budget, line by line, with what was measured."""
    lines = figures["budget"]
    missed = [line for line in lines if not line["met"]]
    told = (
        f"{len(lines) - len(missed)} of {len(lines)} lines are kept."
        if missed
        else f"All {len(lines)} lines are kept."
    )
    rows = [
        [
            f"{'' if line['met'] else '**missed:** '}{line['line']}",
            _measured(line["measured"]["median"]),
            _measured(line["limit"]),
        ]
        for line in lines
    ]
    return f"{told}\n\n{table(['', 'measured', 'at most'], rows)}"


def _measured(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}".rstrip("0").rstrip(".")


def growth(figures: dict[str, Any]) -> str:
    """Overhead by number of rules and origins."""
    lines = figures["growth"].values()
    sizes = sorted({int(size) for line in lines for size in line["sizes"] if size.isdigit()})
    rows = [
        [
            line["title"],
            *[
                _figure(line["sizes"][str(size)]["overhead"]["median"])
                if str(size) in line["sizes"]
                else "–"
                for size in sizes
            ],
        ]
        for line in lines
    ]
    return table(["", *[f"{size:,}" for size in sizes]], rows)


def limits(figures: dict[str, Any]) -> str:
    """Start-up, a crowd, memory."""
    rows: list[Row] = [
        [
            f"added to the start, {one['routes']:,} routes under {one['rules']:,} rules "
            + (f"({one['regexes']} of them regexes)" if one["regexes"] else "(no regexes)"),
            f"{one['added']:.2f} s",
        ]
        for one in figures["startup"]
    ]
    if crowd := figures["crowd"]:
        rows += [
            [
                f"timers standing for {crowd['requests']:,} requests in flight, "
                + _title(figures, name),
                f"{one['timers_standing']:,}",
            ]
            for name, one in crowd["contenders"].items()
        ]
    rows += [
        [
            f"memory grown from the first fifth of {one['requests']:,} requests to the last"
            + ("" if one["traffic"] == "requests" else f", {one['traffic']}"),
            f"{one['bytes_grown'] / 1024:,.0f} KiB",
        ]
        for one in figures["memory"]
    ]
    return table(["", ""], rows)


def limiting(figures: dict[str, Any]) -> str:
    """What limits add to a request."""
    rows = [
        [
            f"**{one['title']}**"
            if "limit" in name and "routeguard" in one["title"]
            else one["title"],
            _figure(one["overhead"]["median"]),
        ]
        for name, one in figures["limiting"].items()
        if name != "bare"
    ]
    bare = _figure(figures["limiting"]["bare"]["cost"]["median"])
    rows.append(["*the bare request itself*", f"*{bare}*"])
    return table(["", "µs"], rows)


def _title(figures: dict[str, Any], name: str) -> str:
    for scenario in figures["scenarios"].values():
        if name in scenario["contenders"]:
            return str(scenario["contenders"][name]["title"])
    return name


def environment(figures: dict[str, Any]) -> str:
    """What the figures depend on, in one sentence."""
    known = dict(figures["environment"])
    python, cpu = known.pop("python"), known.pop("cpu")
    packages = ", ".join(f"{name} {version}" for name, version in known.items())
    return f"Measured with Python {python} on {cpu}, with {packages}.\n"


def durability(figures: dict[str, Any]) -> str:
    """Rows that are left after clients have hung up and the server was stopped."""
    names = list(figures["versions"])
    rows = [
        [line["scenario"], *[f"{line['rows'][name]:,}" for name in names]]
        for line in figures["scenarios"]
    ]
    head = ["", *[f"{name} {figures['versions'][name]}".strip() for name in names]]
    return f"Of {figures['clients']:,} rows there were:\n\n{table(head, rows)}"


def written() -> Iterator[tuple[Path, str]]:
    """Every file, and what belongs in it."""
    speed = json.loads((DATA / "benchmarks.json").read_text())
    for make in (cost, slower, budget, growth, limits, environment):
        yield DATA / f"{make.__name__}.inc", NOTE + make(speed)
    limited = json.loads((DATA / "limiting.json").read_text())
    yield DATA / "limiting.inc", NOTE + limiting(limited)
    lasting = json.loads((DATA / "durability.json").read_text())
    yield DATA / "durability.inc", NOTE + durability(lasting)


def main() -> int:
    """Writes the files, or says which are not up to date."""
    stale = [(path, text) for path, text in written() if not _holds(path, text)]
    for path, text in stale:
        print(path.name)
        if "--check" not in sys.argv:
            path.write_text(text)
    return int(bool(stale) and "--check" in sys.argv)


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
