"""Two plots for the documentation, drawn from the figures of a run as they stand in its JSON."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

INK, FAINT, GRID = "#1f2933", "#616e7c", "#e4e7eb"
OURS, OURS_LIGHT = "#0b6e99", "#7fb8d1"
PEERS = {"handwritten": "#8d99a6", "middlewares": "#d9822b", "aiohttp-cors": "#b56aa5"}
FLOORS = {"no-op": "#d5dae0", "floor": "#bcc5ce"}
COLOURS = (
    FLOORS
    | PEERS
    | {
        "decorator": OURS,
        "rule": OURS,
        "fallback": OURS,
        "none": OURS_LIGHT,
    }
)
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": FAINT,
    "axes.edgecolor": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": FAINT,
    "ytick.color": INK,
    "svg.hashsalt": "routeguard",
}
MARKERS = "osD^vP*X"


def draw(data: Mapping[str, Any], folder: Path, suffix: str = "svg") -> list[Path]:
    """Draw what the data holds: cost by contender, and cost by number of rules and origins."""
    drawn = []
    with mpl.rc_context(STYLE):
        for name, paint in (("cost", _cost), ("growth", _growth)):
            if (figure := paint(data)) is not None:
                path = folder / f"{name}.{suffix}"
                # No date inside: the same figures make the same file.
                metadata = {"Date": None} if suffix == "svg" else None
                figure.savefig(path, bbox_inches="tight", dpi=110, metadata=metadata)
                drawn.append(path)
    return drawn


def _cost(data: Mapping[str, Any]) -> Figure | None:
    scenarios = data["scenarios"]
    if not scenarios:
        return None
    columns = min(3, len(scenarios))
    rows = -(-len(scenarios) // columns)
    figure = Figure(figsize=(4.1 * columns, 3.0 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for place, (axis, scenario) in enumerate(zip(axes.flat, scenarios.values(), strict=False)):
        _bars(axis, scenario, labelled=place % columns == 0)
    for axis in axes.flat[len(scenarios) :]:
        axis.set_visible(False)
    _headline(figure, "Overhead over the bare application: µs of CPU time for each request")
    figure.supxlabel(
        "Bar: median of the processes; whisker: lowest to highest. "
        "Hatched: this contender does only a part of the work.",
        x=0.01,
        ha="left",
        fontsize=8.5,
        color=FAINT,
    )
    return figure


def _headline(figure: Figure, text: str) -> None:
    figure.suptitle(text, x=0.01, ha="left", fontsize=12, fontweight="bold")


def _bars(axis: Axes, scenario: Mapping[str, Any], *, labelled: bool) -> None:
    known = scenario["contenders"]
    names = [name for name in COLOURS if name in known or name == "none"]
    reach = max(known[name]["overhead"]["high"] for name in names if name in known)
    for place, name in enumerate(names):
        if name not in known:
            axis.text(0, place, " no policy, so no preflight", color=FAINT, va="center", size=7.5)
            continue
        overhead = known[name]["overhead"]
        median = overhead["median"]
        partial = bool(known[name]["leaves_undone"])
        axis.barh(
            place,
            median,
            height=0.68,
            color=COLOURS[name],
            # Hatched: the contender does only a part of the work.
            hatch="////" if partial and name in PEERS else None,
            edgecolor="white",
            linewidth=0,
            xerr=[[max(0, median - overhead["low"])], [max(0, overhead["high"] - median)]],
            error_kw={"ecolor": INK, "elinewidth": 0.9, "capsize": 2},
        )
        axis.text(
            max(median, overhead["high"]) + reach * 0.02,
            place,
            f"{median:.1f}",
            va="center",
            size=8.5,
            fontweight="bold" if COLOURS[name] == OURS else "normal",
        )
    titles = [known[name]["title"] if name in known else "routeguard, no policy" for name in names]
    axis.set_yticks(range(len(names)), titles if labelled else [""] * len(names))
    axis.tick_params(axis="y", length=0)
    axis.set_xlim(0, reach * 1.16)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.grid(axis="x", color=GRID, linewidth=0.8)
    axis.set_axisbelow(True)
    axis.spines["bottom"].set_visible(False)
    axis.set_title(scenario["title"], loc="left", fontsize=9.5, color=INK)


def _growth(data: Mapping[str, Any]) -> Figure | None:
    lines = data["growth"]
    panels = {line["panel"]: line["panel"] for line in lines.values()}
    if not panels:
        return None
    figure = Figure(figsize=(5.6 * len(panels), 4.6), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)
    for axis, panel in zip(axes.flat, panels, strict=True):
        for line, colour, marker in _coloured(lines, panel):
            sizes = sorted(int(size) for size in line["sizes"] if size.isdigit())
            overheads = [line["sizes"][str(size)]["overhead"]["median"] for size in sizes]
            axis.plot(
                sizes,
                overheads,
                color=colour,
                marker=marker,
                markersize=4.5,
                linewidth=1.6,
                linestyle="--" if _is_peer(line) else "-",
                label=line["title"],
            )
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlabel(f"number of {panel}")
        axis.xaxis.set_major_formatter(FuncFormatter(_thousands))
        axis.yaxis.set_major_formatter(FuncFormatter(_thousands))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.yaxis.set_minor_locator(NullLocator())
        axis.grid(color=GRID, linewidth=0.8)
        axis.legend(frameon=False, fontsize=8, loc="upper left", labelcolor=INK)
    axes.flat[0].set_ylabel("overhead, µs of CPU time for each request")
    bottom, top = axes.flat[0].get_ylim()
    # Room for the legends above the flat lines.
    axes.flat[0].set_ylim(min(bottom, 5), top * 8)
    _headline(figure, "Overhead by number of rules and of origins")
    return figure


def _is_peer(line: Mapping[str, Any]) -> bool:
    return str(line["title"]).startswith("aiohttp-")


def _coloured(lines: Mapping[str, Any], panel: str) -> Iterator[tuple[Mapping[str, Any], Any, str]]:
    chosen = [line for line in lines.values() if line["panel"] == panel]
    ours = [line for line in chosen if not _is_peer(line)]
    cool = LinearSegmentedColormap.from_list("cool", ("#08344f", OURS, "#2aa198", "#7fc8a9"))
    blues = cool.resampled(max(2, len(ours)))
    warm = iter((PEERS["middlewares"], "#a34d00", PEERS["aiohttp-cors"]))
    for place, line in enumerate(chosen):
        colour = next(warm) if _is_peer(line) else blues(ours.index(line))
        yield line, colour, MARKERS[place % len(MARKERS)]


def _thousands(value: float, _: int | None) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"
