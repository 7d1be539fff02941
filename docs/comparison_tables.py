"""Writes the tables of the comparison from the figures that were measured.

    python docs/comparison_tables.py          # writes docs/data/*.inc
    python docs/comparison_tables.py --check  # exit status 1 where they are not up to date

`docs/data/benchmarks.json` comes from `python -m tests.benchmarks all --check-budget --json`, and
`docs/data/durability.json` from `python -m tests.faults.compare --json`.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
UNSPLIT = "one rule"
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
        ours = [contenders[name]["overhead"]["median"] for name in OURS if name in contenders]
        peers = [one for one in contenders.values() if "routeguard" not in one["title"]]
        lines += [
            _slower(scenario["title"], max(ours), one)
            for one in peers
            if ours and not one["leaves_undone"] and max(ours) > one["overhead"]["median"]
        ]
    for known in figures["groups"].values():
        for one in known["entries"].values():
            ours_too = known["entries"].get(one["like"])
            if ours_too and ours_too["overhead"]["median"] > one["overhead"]["median"]:
                lines.append(_slower(known["title"], ours_too["overhead"]["median"], one))
    if not lines:
        return "In none of these requests does it cost more than a contender that does as much.\n"
    return "\n".join(lines) + "\n"


def _slower(what: str, ours: float, one: dict[str, Any]) -> str:
    theirs = _figure(one["overhead"]["median"])
    return f"- {what}: {_figure(ours)} µs, where “{one['title']}” takes {theirs} µs."


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
    """Overhead by number of rules and origins, a table for each."""
    lines = list(figures["growth"].values())
    panels = dict.fromkeys(line["panel"] for line in lines)
    return "\n".join(_panel([line for line in lines if line["panel"] == one]) for one in panels)


def _panel(lines: list[dict[str, Any]]) -> str:
    known = {size for line in lines for size in line["sizes"]}
    columns = [UNSPLIT] if UNSPLIT in known else []
    columns += [str(size) for size in sorted(int(size) for size in known if size.isdigit())]
    rows = [
        [
            line["title"],
            *[
                _figure(line["sizes"][size]["overhead"]["median"]) if size in line["sizes"] else "–"
                for size in columns
            ],
        ]
        for line in lines
    ]
    told = [f"{int(size):,}" if size.isdigit() else size for size in columns]
    return table([f"*{lines[0]['panel']}*", *told], rows)


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
    if held := figures["held_by_routes"]:
        what = f"memory held by rules, {held['rules']:,} over {held['routes']:,} routes, all asked"
        rows.append([what, f"{held['added'] / 2**20:.1f} MiB"])
    rows += [
        [
            f"memory grown from the first fifth of {one['requests']:,} requests to the last"
            + ("" if one["traffic"] == "requests" else f", {one['traffic']}"),
            f"{one['bytes_grown'] / 1024:,.0f} KiB",
        ]
        for one in figures["memory"]
    ]
    return table(["", ""], rows)


def flight(figures: dict[str, Any]) -> str:
    """Bytes that a request in flight holds."""
    rows = [
        [_named(one["title"]), f"{one['bytes']:,.0f}", f"{one['added']:+,.0f}"]
        for one in figures["held_in_flight"]["flights"].values()
    ]
    return table(["", "bytes", "beyond the bare application"], rows)


def group(figures: dict[str, Any], name: str) -> str:
    """What the applications of a group add to a request."""
    entries = figures["groups"][name]["entries"]
    rows = [
        [_named(one["title"]), _figure(one["overhead"]["median"])]
        for key, one in entries.items()
        if key != "bare"
    ]
    bare = entries["bare"]
    whole = [f"*the whole request: {bare['title']}*", f"*{_figure(bare['cost']['median'])}*"]
    return table([figures["groups"][name]["title"], "µs"], [*rows, whole])


def _named(title: str) -> str:
    """A title, in bold where it is of routeguard."""
    return f"**{title}**" if "routeguard" in title else title


def sockets(figures: dict[str, Any]) -> str:
    """Requests a second and the slowest hundredth over sockets, of the bare application's."""
    tables = []
    for one in figures["sockets"].values():
        rows = [
            [
                _named(row["title"]),
                f"{row['rate']:,.0f}",
                *[
                    f"{row[name]['median']:.2f}"
                    for name in (
                        "rate_of_bare",
                        "rate_of_handwritten",
                        "p99_of_bare",
                        "p99_of_handwritten",
                    )
                ],
            ]
            for row in one["contenders"].values()
        ]
        head = [
            f"{one['title']}; {one['setup']}",
            "requests/s",
            "of bare",
            "of by hand",
            "p99, of bare",
            "p99, of by hand",
        ]
        tables.append(table(head, rows))
    return "\n".join(tables) or "They were not measured in this run.\n"


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
    for make in (cost, slower, budget, growth, limits, flight, sockets, environment):
        yield DATA / f"{make.__name__}.inc", NOTE + make(speed)
    for name in speed["groups"]:
        yield DATA / f"{name}.inc", NOTE + group(speed, name)
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
