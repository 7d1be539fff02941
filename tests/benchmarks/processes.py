"""Runs jobs in processes of their own, one after the other, and merges what they measured."""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from .figures import Figure, Sample
from .measure import YARDSTICK

CHECKOUT = Path(__file__).resolve().parents[2]
PATIENCE = 1800


class JobFailed(RuntimeError):
    """A job ended with an error; the message is what it printed."""


def run_job(job: str, *, hash_seed: int = 0, **options: Any) -> Any:
    """Do one job in a new process.

    Every process has its own hash seed, hence its own order of sets and layout of memory.

    Raises:
        JobFailed: the process ended with an error.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.worker"],
        input=json.dumps({"job": job, **options}),
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        env=os.environ | {"PYTHONHASHSEED": str(hash_seed)},
        timeout=PATIENCE,
        check=False,
    )
    if done.returncode:
        raise JobFailed(f"the job {job} {options} failed:\n{done.stderr.strip()}")
    return json.loads(done.stdout)


def run_samples(
    job: str, *, processes: int, pace: float | None = None, **options: Any
) -> tuple[dict[str, Figure], float]:
    """Do a job that yields samples in several processes and merge them by name.

    Args:
        job: the job.
        processes: how many.
        pace: what the yardstick costs at the pace that all figures are to be told at; ``None``
            for what it costs in the median process.
        options: the job's own.

    Returns:
        The figures by name, and the pace they are told at.
    """
    runs = [
        {
            name: Sample(**fields)
            for name, fields in run_job(job, hash_seed=seed, seed=seed, **options).items()
        }
        for seed in range(1, processes + 1)
    ]
    yardsticks = [run.pop(YARDSTICK).cost for run in runs]
    if pace is None:
        pace = statistics.median(yardsticks)
    return {
        name: Figure.merge(
            [
                run[name].at_pace(pace / yardstick)
                for run, yardstick in zip(runs, yardsticks, strict=True)
            ]
        )
        for name in runs[0]
    }, pace
