"""What came out of a run, and how it stands in JSON."""

import importlib.metadata
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .contenders import CONTENDERS
from .figures import Figure
from .group_list import GROUPS
from .growth_lines import LINES
from .scenarios import SCENARIOS, Scenario

PACKAGES = (
    "aiohttp",
    "yarl",
    "wrapt",
    "multidict",
    "aiohttp-middlewares",
    "aiohttp-cors",
    "aiohttp-catcher",
    "aiohttp-ratelimiter",
    "limits",
)


@dataclass(slots=True)
class Results:
    """Everything that one run measured."""

    pace: float | None = None
    """What a bare GET costs at the pace that all figures are told at: the first measurement's."""
    scenarios: dict[str, dict[str, Figure]] = field(default_factory=dict)
    growth: dict[str, dict[str, Figure]] = field(default_factory=dict)
    startup: list[dict[str, Any]] = field(default_factory=list)
    crowd: dict[str, Any] = field(default_factory=dict)
    memory: list[dict[str, Any]] = field(default_factory=list)
    sockets: dict[str, Any] = field(default_factory=dict)
    groups: dict[str, dict[str, Figure]] = field(default_factory=dict)
    held_by_routes: dict[str, Any] = field(default_factory=dict)
    held_in_flight: dict[str, Any] = field(default_factory=dict)
    budget: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Plain data, with the environment that it was measured in."""
        return {
            "environment": environment(),
            "unit": "microseconds of CPU time for each request",
            "pace": self.pace,
            "scenarios": {
                scenario.name: {
                    "title": scenario.title,
                    "note": scenario.note,
                    "contenders": {
                        contender.name: {
                            "title": contender.title,
                            "leaves_undone": undone(scenario, contender.name),
                            **self.scenarios[scenario.name][contender.name].as_json(),
                        }
                        for contender in CONTENDERS
                        if contender.name in self.scenarios[scenario.name]
                    },
                }
                for scenario in SCENARIOS
                if scenario.name in self.scenarios
            },
            "growth": {
                line.name: {
                    "title": line.title,
                    "panel": line.panel,
                    "sizes": {
                        size: figure.as_json() for size, figure in self.growth[line.name].items()
                    },
                }
                for line in LINES
                if line.name in self.growth
            },
            "startup": self.startup,
            "crowd": self.crowd,
            "memory": self.memory,
            "sockets": self.sockets,
            "groups": {
                group.name: {
                    "title": group.title,
                    "entries": {
                        name: {
                            "title": group.entries[name].title,
                            "like": group.entries[name].like,
                            **figure.as_json(),
                        }
                        for name, figure in self.groups[group.name].items()
                    },
                }
                for group in GROUPS
                if group.name in self.groups
            },
            "held_by_routes": self.held_by_routes,
            "held_in_flight": self.held_in_flight,
            "budget": self.budget,
        }


def environment() -> dict[str, str]:
    """What the figures depend on."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), "cpu": cpu} | versions


def undone(scenario: Scenario, name: str) -> list[str]:
    """What a contender leaves undone in a scenario."""
    contender = next(known for known in CONTENDERS if known.name == name)
    return sorted(ability.value for ability in scenario.lacks(contender))
