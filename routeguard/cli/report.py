"""What `routes`, `explain` and `check` answer, rendered with rich for a terminal or a pipe."""

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from routeguard.cli.fitting import (
    Cell,
    cell_of,
    cut,
    cut_in_the_middle,
    last_parts,
    short_place,
    widths,
)
from routeguard.finding import SEVERITIES, Finding
from routeguard.telling.explain import Explanation
from routeguard.telling.survey import SurveyedRoute

__all__ = ["explanation_report", "findings_report", "printed", "routes_report"]

DIM = "bright_black"
SEVERITY_STYLES = {"error": "bold red", "warning": "bold yellow", "info": "bold blue"}
INDENT = "  "
LEAST_PATH = 14
LEAST_CELL = 8


def printed(parts: Iterable[RenderableType], width: int) -> str:
    """Text for standard output, in colour if that is a terminal and nobody minds."""
    written = io.StringIO()
    console = Console(
        file=written, width=width, highlight=False, force_terminal=Console().is_terminal
    )
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip(" ") for line in written.getvalue().splitlines())


# --- routes ---------------------------------------------------------------------------------------


def routes_report(
    routes: Sequence[SurveyedRoute], kinds: Sequence[str], unstated: Sequence[str], width: int
) -> Iterator[RenderableType]:
    """A table of routes; a list where the terminal is too narrow for a table.

    Args:
        routes: the routes to show.
        kinds: the kinds of policy to show.
        unstated: the kinds that are left out since nothing states them.
        width: the terminal's.
    """
    if not routes:
        yield Text("no route")
        return
    cells = [[cell_of(route[kind]) for kind in kinds] for route in routes]
    shortened: dict[str, None] = {}
    table = _table(routes, kinds, cells, width, shortened)
    if table is None:
        yield from _list(routes, kinds, cells, width)
    else:
        yield table
    yield Text()
    yield from _legend(routes, unstated, shortened)


def _table(
    routes: Sequence[SurveyedRoute],
    kinds: Sequence[str],
    cells: Sequence[Sequence[Cell]],
    width: int,
    shortened: dict[str, None],
) -> Table | None:
    titles = ["PATH", "METHOD", *(kind.upper() for kind in kinds)]
    texts = [
        [_indented(r, one) for r in routes for one in (r.relative_path, r.handler, *_notes(r))],
        [method for route in routes for method in _methods(route).split(",")],
        *(
            [part for row in cells for part in (row[i].value, row[i].place)]
            for i in range(len(kinds))
        ),
    ]
    natural = [
        max(len(title), *map(len, found)) for title, found in zip(titles, texts, strict=True)
    ]
    least = [LEAST_PATH, natural[1], *(max(len(kind), LEAST_CELL) for kind in kinds)]
    paths = max(len(_indented(route, route.relative_path)) for route in routes)
    for gap in (2, 1):
        chosen = widths(natural, least, width - gap * (len(titles) - 1), first=paths)
        if chosen is not None:
            break
    else:
        return None
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="bold")
    for i in (1, 0, *range(2, len(titles))):
        # rich ends each line that does not fit in an ellipsis.
        table.add_column(titles[i], width=chosen[i], no_wrap=True, overflow="ellipsis")
    mounts: tuple[str, ...] = ()
    for route, row in zip(routes, cells, strict=True):
        for depth in _newly_mounted(mounts, route.mounts):
            name = f"{INDENT * depth}{_below(route.mounts, depth)}"
            table.add_row("", Text(name, "bold"))
        mounts = route.mounts
        table.add_row(
            Text(_folded(_methods(route), chosen[1]), "bold"),
            _path_cell(route, chosen[0], shortened),
            *(_cell(cell, w, shortened) for cell, w in zip(row, chosen[2:], strict=True)),
        )
    return table


def _indented(route: SurveyedRoute, text: str) -> str:
    return INDENT * len(route.mounts) + text


def _newly_mounted(before: tuple[str, ...], now: tuple[str, ...]) -> range:
    same = 0
    while same < min(len(before), len(now)) and before[same] == now[same]:
        same += 1
    return range(same, len(now))


def _below(mounts: tuple[str, ...], depth: int) -> str:
    """A mount point as it is written below those around it."""
    around = next((one for one in reversed(mounts[:depth]) if one.startswith("/")), "")
    return mounts[depth].removeprefix(around)


def _methods(route: SurveyedRoute) -> str:
    # aiohttp adds HEAD to every GET.
    return "GET" if route.methods == ("GET", "HEAD") else ",".join(route.methods)


def _folded(methods: str, width: int) -> str:
    lines = [""]
    for method in methods.split(","):
        longer = f"{lines[-1]} {method}".lstrip()
        if len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(method)
    return "\n".join(lines)


def _path_cell(route: SurveyedRoute, width: int, shortened: dict[str, None]) -> Text:
    room = width - len(_indented(route, ""))
    cell = Text(_indented(route, cut_in_the_middle(route.relative_path, room)))
    cell.append("\n" + _indented(route, last_parts(route.handler, room)), DIM)
    for note in _notes(route):
        cell.append("\n" + _indented(route, note), "red")
    shortened.update(dict.fromkeys(route.split_by))
    return cell


def _notes(route: SurveyedRoute) -> Iterator[str]:
    if not route.set_up:
        yield "not set up"
    if route.split_by:
        rules = [short_place(place).removeprefix("rule ") for place in route.split_by]
        yield f"split by rule {', '.join(rules)}"


def _cell(cell: Cell, width: int, shortened: dict[str, None]) -> Text:
    value = cell.value if len(cell.value) <= width else cell.short_value
    told = Text(value, "" if cell.places else DIM)
    if len(cell.place) > width:
        shortened.update(dict.fromkeys(one for one in cell.places if one.startswith("rule")))
        told.append(f"\n{cell.short_place}", cell.style)
    elif cell.place:
        told.append(f"\n{cell.place}", cell.style)
    return told


def _list(
    routes: Sequence[SurveyedRoute],
    kinds: Sequence[str],
    cells: Sequence[Sequence[Cell]],
    width: int,
) -> Iterator[Text]:
    label = max(map(len, kinds), default=0)
    mounts: tuple[str, ...] = ()
    for route, row in zip(routes, cells, strict=True):
        for depth in _newly_mounted(mounts, route.mounts):
            yield Text(cut(f"-- {route.mounts[depth]}", width), "bold")
        mounts = route.mounts
        head = f"{_methods(route)} "
        path = cut_in_the_middle(route.path, max(width - len(head), 1))
        yield Text(f"{head}{path}"[:width], "bold")
        yield Text(INDENT + last_parts(route.handler, width - len(INDENT)), DIM)
        for note in _notes(route):
            yield Text(INDENT + cut(note, width - len(INDENT)), "red")
        for kind, cell in zip(kinds, row, strict=True):
            if cell.places:
                line = Text(f"{INDENT}{kind:<{label}}  ")
                room = width - len(line) - 2 - len(cell.place)
                line.append(f"{cut(cell.value, max(room, LEAST_CELL))}  ")
                line.append(cell.place, cell.style)
                line.truncate(width, overflow="ellipsis")
                yield line


def _legend(
    routes: Sequence[SurveyedRoute], unstated: Sequence[str], shortened: Iterable[str]
) -> Iterator[Text]:
    yield from (Text(place, DIM) for place in sorted(shortened, key=_in_order))
    if any(route.split_by for route in routes):
        yield Text(
            "A route that is split has paths to which rules of their own apply: see explain.", DIM
        )
    count = len(routes)
    nowhere = f"; none of them has {', '.join(unstated)}" if unstated else ""
    yield Text(f"{count} route{'' if count == 1 else 's'}{nowhere}", DIM)


def _in_order(place: str) -> tuple[str, int]:
    number = place.removeprefix("rule ").partition(" ")[0]
    return place.rpartition(" of ")[2] if '" of ' in place else "", int(number)


# --- explain --------------------------------------------------------------------------------------


def explanation_report(explanation: Explanation) -> Iterator[RenderableType]:
    """What applies to a request, kind by kind, with what else was considered."""
    yield Text(f"{explanation.method} {explanation.path}", "bold")
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    route = (
        f"{explanation.status}: no route"
        if explanation.route is None
        else f"{explanation.route} -> {explanation.handler}"
    )
    grid.add_row("route", Text(route))
    for kind in explanation.kinds:
        first, *rest = str(kind).split("\n")
        grid.add_row(kind.kind, Text(first, DIM if first == "none" else ""))
        for line in rest:
            indent = len(line) - len(line.lstrip())
            told = Text(line.strip(), DIM if indent else "")
            grid.add_row("", Padding(told, (0, 0, 0, indent)))
    grid.add_row("scheme", Text(explanation.scheme))
    if explanation.cors:
        style = "green" if explanation.cors == "allowed" else "red"
        grid.add_row("origin", Text(explanation.cors, style))
    if explanation.preflight:
        style = "green" if explanation.preflight.startswith("204") else "red"
        grid.add_row("preflight", Text(explanation.preflight, style))
    for note in explanation.notes:
        grid.add_row("note", Text(note, "yellow"))
    yield Padding(grid, (0, 0, 0, 2))


# --- check ----------------------------------------------------------------------------------------


def findings_report(findings: Sequence[Finding]) -> Iterator[RenderableType]:
    """The findings, each with its place and remedy, and how many there are."""
    for finding in findings:
        style = SEVERITY_STYLES[finding.severity]
        yield Text.assemble(
            (f"{finding.severity} {finding.code}", style), "  ", (finding.place, "bold")
        )
        told = Text.assemble(finding.message, "\n", ("remedy: ", "green"), finding.remedy)
        yield Padding(told, (0, 0, 1, 2))
    counts = Counter(finding.severity for finding in findings)
    said = [f"{counts[one]} {_plural(one, counts[one])}" for one in SEVERITIES if counts[one]]
    yield Text(", ".join(said) or "nothing found", "bold")


def _plural(severity: str, count: int) -> str:
    return severity if count == 1 or severity == "info" else f"{severity}s"
