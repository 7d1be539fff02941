"""What the pages show and the tests do not run, each with the reason. Nothing else is left out."""

__all__ = ["NOT_RUN"]

SIGNALS = "a race against the clock; tests/faults sends servers signals under load"

NOT_RUN: dict[tuple[str, str], str] = {
    ("README.md", "bash examples/run"): "runs until it is stopped; tests/server tests the tour",
    ("README.md", "bash tests/run"): "this very run",
    (
        "README.md",
        "python -m pip install '/path/to/routeguard[cli,negotiation]'",
    ): "needs the package index",
    ("README.md", ". .venv/bin/activate"): "the tests have an environment",
    ("README.md", "python -m sphinx -q docs docs/_build/html"): "a step of its own in tests/run",
    ("README.md", "python -m tests.benchmarks"): "takes minutes; tests/benchmarks tests it",
    ("docs/start/thirty-seconds.md", "python -m venv .venv"): "the tests have an environment",
    ("docs/start/thirty-seconds.md", ". .venv/bin/activate"): "the tests have an environment",
    (
        "docs/start/thirty-seconds.md",
        "python -m pip install '/path/to/routeguard[cli,negotiation]'",
    ): "needs the package index",
    ("docs/contributing.md", "bash tests/run"): "this very run",
    ("docs/contributing.md", "bash examples/run"): "runs until it is stopped",
    ("docs/contributing.md", "bash tests/run tests/unit -k origins"): "a part of this very run",
    ("docs/contributing.md", "bash tests/run tests/server --nightly"): "takes an hour",
    (
        "docs/contributing.md",
        "bash tests/run tests/server --loop uvloop",
    ): "a part of this very run",
    ("docs/contributing.md", "bash tests/run --soak"): "takes ten minutes",
    ("docs/contributing.md", "bash tests/run --record"): "this very run",
    ("docs/contributing.md", "bash tests/run --this"): "this very run",
    ("docs/contributing.md", "bash tests/run --only uvloop"): "a part of this very run",
    (
        "docs/contributing.md",
        ".venv/bin/python -m sphinx -q docs docs/_build/html",
    ): "a step of its own in tests/run",
    (
        "docs/contributing.md",
        ".venv/bin/python -m tests.docs docs/how-to/frontend.md",
    ): "test_pages does that with every page",
    ("docs/how-to/writes.md", "python payments.py & sleep 2"): SIGNALS,
    (
        "docs/how-to/writes.md",
        """curl -d '{"reference": "B-4"}' localhost:8080/payments & sleep 0.3""",
    ): SIGNALS,
    ("docs/how-to/writes.md", "kill %1; wait"): SIGNALS,
    (
        "docs/how-to/many-workers.md",
        "python -m pip install '/path/to/routeguard[redis]'",
    ): "needs the package index",
    ("docs/start/tour.md", "bash examples/run"): "runs until it is stopped",
}
"""Page and command, to why the tests cannot run it."""
