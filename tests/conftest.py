"""What every test has: Hypothesis profiles, the rules about skips, and a watch on asyncio's log."""

import asyncio
import gc
import importlib.util
import logging
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from importlib.metadata import version

import pytest
from hypothesis import settings

from tests.support import extent, loops

IN_CI = os.environ.get("CI") == "true"

settings.register_profile("brief", max_examples=20, deadline=None)
settings.register_profile("ordinary", max_examples=100, deadline=None)
settings.register_profile("nightly", max_examples=20_000, deadline=None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--brief",
        action="store_true",
        help="fewer Hypothesis examples, clients and rounds: for a second set of versions",
    )
    parser.addoption(
        "--nightly",
        action="store_true",
        help="run the long tests too, and 20,000 examples for each property",
    )

    parser.addoption(
        "--soak", action="store_true", help="ten minutes of mixed load instead of some seconds"
    )
    parser.addoption(
        "--loop",
        choices=loops.NAMES,
        default=os.environ.get(loops.ENVIRONMENT, loops.NAMES[0]),
        help="the event loop; eager-debug is asyncio's with eager tasks, in debug mode",
    )


def pytest_configure(config: pytest.Config) -> None:
    os.environ[loops.ENVIRONMENT] = config.getoption("loop")
    os.environ[extent.ENVIRONMENT] = "on" if config.getoption("brief") else "off"
    brief = "brief" if config.getoption("brief") else "ordinary"
    settings.load_profile("nightly" if config.getoption("nightly") else brief)


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {os.environ[loops.ENVIRONMENT]: loops.new_event_loop}


def pytest_report_header() -> list[str]:
    spec = importlib.util.find_spec("routeguard")
    where = spec.origin if spec else "not found"
    versions = ", ".join(f"{name} {version(name)}" for name in ("aiohttp", "yarl", "wrapt"))
    return [f"routeguard: {where}", f"with: {versions}"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("nightly"):
        return
    nightly = [item for item in items if item.get_closest_marker("nightly")]
    if nightly:
        config.hook.pytest_deselected(items=nightly)
        items[:] = [item for item in items if not item.get_closest_marker("nightly")]


def pytest_collection_finish() -> None:
    # What importing has left is here to stay: kept out of the collections after each test, these
    # take about a millisecond instead of some thirty.
    gc.collect()
    gc.freeze()


# --- a skip in continuous integration is a failure ------------------------------------------------


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not IN_CI or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{reason} (with CI=true nothing may be skipped)"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report


# --- what asyncio only tells its log --------------------------------------------------------------


class _Complaints(logging.Handler):
    """Collects what asyncio says when a task or a failure has been lost."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if "was never retrieved" in text or "was destroyed but it is pending" in text:
            self.heard.append(text)


@pytest.fixture(autouse=True)
def nothing_lost() -> Iterator[None]:
    """Fail a test that has lost a task, or an exception nobody asked for.

    asyncio notices only when the task is destroyed, so what is left in reference cycles is
    collected before the test may end.
    """
    complaints = _Complaints()
    logger = logging.getLogger("asyncio")
    logger.addHandler(complaints)
    try:
        yield
        gc.collect()
        # What survives a test would be walked after each of the thousands that follow.
        gc.freeze()
    finally:
        logger.removeHandler(complaints)
    if complaints.heard:
        pytest.fail("asyncio complained:\n" + "\n".join(complaints.heard), pytrace=False)


@pytest.fixture
def loggers_as_before() -> Iterator[None]:
    """For what sets levels and handlers of loggers for good, as an application may."""
    names = ("routeguard", "aiohttp", "aiohttp.access", "aiohttp.server")
    loggers = [logging.getLogger(name) for name in names]
    before = [(logger, logger.level, [*logger.handlers]) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers


# --- programs that some tests drive ---------------------------------------------------------------


def _program(package: str, *names: str) -> str:
    # A plain user's PATH has no sbin, where Debian puts nginx.
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"])
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    pytest.skip(f"needs {names[0]}, which is not installed: apt-get install {package}")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium."""
    return _program("chromium", "chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def nginx() -> str:
    """The path of nginx."""
    return _program("nginx-light", "nginx")


@pytest.fixture(scope="session")
def wrk() -> str:
    """The path of wrk."""
    return _program("wrk", "wrk")


@pytest.fixture(scope="session")
def redis_server() -> str:
    """The path of redis-server."""
    return _program("redis-server", "redis-server")
