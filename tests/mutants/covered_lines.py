"""Measures which test runs which line, with a pytest plugin, and reads the measurement back.

Load it with `-p tests.mutants.covered_lines` and a folder in LOOM_COVERED_LINES. Each process leaves one file of
coverage.py there, with a context per test and phase, and one of the tests' outcomes and seconds.
"""

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import coverage
import pytest

FOLDER = "LOOM_COVERED_LINES"
SETUP, CALL = "setup", "call"


@dataclass
class Measured:
    """Seconds of a test, and whether it passed."""

    setup: float = 0.0
    """Seconds, fixtures that other tests of its module share included."""
    call: float = 0.0
    """Seconds."""
    passed: bool = True


class Plugin:
    """Measures lines and seconds of each test and phase."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._measured: dict[str, Measured] = defaultdict(Measured)
        root = os.path.realpath(os.getcwd())
        self._coverage = coverage.Coverage(
            data_file=os.path.join(folder, "lines"),
            data_suffix=True,
            config_file=False,
            include=[f"{root}/pipelines/*", f"{root}/schemas/*"],
            concurrency=["thread"],
        )
        self._coverage.start()

    def _phase(self, item: pytest.Item, phase: str) -> Iterator[None]:
        self._coverage.switch_context(f"{item.nodeid}|{phase}")
        start = time.perf_counter()
        yield
        taken = time.perf_counter() - start
        measured = self._measured[item.nodeid]
        setattr(measured, phase, taken)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        """Measure the fixtures."""
        yield from self._phase(item, SETUP)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Measure the test."""
        yield from self._phase(item, CALL)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record a test that failed or was skipped, since it cannot detect a mutant."""
        if not report.passed:
            self._measured[report.nodeid].passed = False

    def pytest_sessionfinish(self) -> None:
        """Write what was measured."""
        self._coverage.stop()
        self._coverage.save()
        values = {test: [found.setup, found.call, found.passed] for test, found in self._measured.items()}
        Path(self._folder, f"tests-{os.getpid()}.json").write_text(json.dumps(values))


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin in a process that runs tests."""
    if os.environ.get(FOLDER) and (hasattr(config, "workerinput") or not config.option.numprocesses):
        config.pluginmanager.register(Plugin(os.environ[FOLDER]))


@dataclass
class CoveredLines:
    """The tests that run each line."""

    tests: dict[str, Measured] = field(default_factory=dict)
    lines: dict[str, dict[int, set[str]]] = field(default_factory=dict)
    """Path -> line -> tests."""

    def of(self, path: str, first: int, last: int) -> set[str]:
        """Return the tests that run any of these lines of a file."""
        lines = self.lines.get(path, {})
        return {test for line in range(first, last + 1) for test in lines.get(line, ())}


def read(folder: str, root: str) -> CoveredLines:
    """Read the measurement of a run with the plugin, with paths relative to `root`.

    A line that a shared fixture runs counts for every test of the fixture's module, since any of them may detect a
    change.
    """
    found = CoveredLines()
    for path in sorted(Path(folder).glob("tests-*.json")):
        for test, values in json.loads(path.read_text()).items():
            found.tests[test] = Measured(*values)
    by_module: dict[str, set[str]] = defaultdict(set)
    for test, measured in found.tests.items():
        if measured.passed:
            by_module[test.partition("::")[0]].add(test)
    for path in sorted(Path(folder).glob("lines.*")):
        data = coverage.CoverageData(str(path))
        data.read()
        for file in data.measured_files():
            lines = found.lines.setdefault(os.path.relpath(file, os.path.realpath(root)), {})
            for line, contexts in data.contexts_by_lineno(file).items():
                for test, _, phase in (context.rpartition("|") for context in contexts if context):
                    module = by_module.get(test.partition("::")[0], set())
                    lines.setdefault(line, set()).update(module if phase == SETUP else module & {test})
    return found
