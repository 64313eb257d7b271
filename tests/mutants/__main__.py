"""`make mutants`: inserts small faults into the code and checks that a test fails.

The mutants, made by mutmut 3, are a sample from the rooms that keep the promises. Each is tested, in a copy of the
repository, by the tests that run the changed line, the fastest first. Outcomes are kept in `.mutants/`, so that a
stopped run resumes and a mutant that survived is tried again when a test is added. Exit status 1 below the required
share.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from queue import Empty, SimpleQueue

from mutmut.configuration import config

from tests.mutants import covered_lines
from tests.mutants.covered_lines import CoveredLines, Measured
from tests.mutants.forked_tests import Outcome, Task
from tests.mutants.mutations import Mutant, mutants_of, sample
from tests.mutants.results import Results, killed_share, table

ROOMS = tuple(map(str, config().source_paths))
TESTS = (
    "tests/pipelines/builds",
    "tests/pipelines/datasets",
    "tests/pipelines/recipes",
    "tests/pipelines/stages",
    "tests/pipelines/store",
    "tests/schemas",
)
"""Folders of the tests that are used: those of the rooms, and of the datasets that they make."""
TOO_SLOW = ("test_same_bytes.py", "test_faults.py", "test_report_browser.py", "test_regions.py")
"""Test files of which one test already takes longer than `BUDGET`."""
COPIED = ("corpusloom", "pipelines", "schemas", "trainers", "tests", "benchmarks", "docs", "infra", "pyproject.toml")
COPIED_TOO = ("README.md", "CHANGELOG.md", "Makefile", "constraints.txt")
BUDGET = 60.0
"""Largest total of seconds of a mutant's tests, by the times of the coverage run; the fastest are chosen first."""
SLACK = 6.0
"""A mutant's tests are stopped after this factor times their measured time, plus `STARTUP` seconds."""
STARTUP = 60.0


MEMORY = "/dev/shm"
"""Folder in memory for the files of tests, where there is one: on a disk they mostly wait for fsync."""


def main(argv: list[str] | None = None) -> int:
    """Sample, test and report mutants."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="Share of mutants that tests find.")
    parser.add_argument("--count", type=int, default=200, help="mutants in the sample")
    parser.add_argument("--rng-seed", type=int, default=0, help="seed of the sample")
    parser.add_argument("--wanted", type=float, default=0.85, help="share that tests must find")
    parser.add_argument("--processes", type=int, default=2, help="mutants that are tested at once")
    parser.add_argument("--folder", default=".mutants", help="where copies and results are kept")
    parser.add_argument("--only", default="", help="only files whose path starts with this")
    args = parser.parse_args(argv)
    root, folder = Path.cwd(), Path(args.folder).resolve()
    folder.mkdir(exist_ok=True)
    files = [p for room in ROOMS for p in sorted((root / room).rglob("*.py")) if p.stat().st_size]
    paths = [str(path.relative_to(root)) for path in files]
    mutants = [mutant for path in paths if path.startswith(args.only) for mutant in mutants_of(root, path)]
    chosen = sample(mutants, args.count, args.rng_seed)
    print(f"{len(chosen)} of {len(mutants)} mutants of {len(paths)} files", flush=True)
    lines = measure_lines(root, folder, args.processes)
    results = Results(folder / "results.jsonl", tree_hash(root, (*ROOMS, *TESTS)))
    run_mutants([mutant for mutant in chosen if results.get(mutant) is None], lines, folder, args.processes, results)
    pairs = [(mutant, outcome) for mutant in chosen if (outcome := results.get(mutant)) is not None]
    print(table(pairs))
    return 0 if killed_share([outcome for _, outcome in pairs]) >= args.wanted else 1


def tree_hash(root: Path, folders: tuple[str, ...]) -> str:
    """Return a hash of the Python files below folders."""
    found = hashlib.sha256()
    for path in sorted(path for folder in folders for path in (root / folder).rglob("*.py")):
        found.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    return found.hexdigest()


def copy_tree(root: Path, target: Path) -> Path:
    """Copy the files that tests need; links stay links, so that the copy imports its own files."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in (*COPIED, *COPIED_TOO):
        if (root / name).is_dir():
            shutil.copytree(root / name, target / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        elif (root / name).exists():
            shutil.copy2(root / name, target / name)
    # Compiled files that are checked by their source's hash: a changed file is never mistaken for the original.
    compiling = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "."]
    subprocess.run(compiling, cwd=target, check=False)
    return target


def environment(tree: Path) -> dict[str, str]:
    """Return the environment of tests in a copy: they import the copy and write no compiled files."""
    values = {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK):
        values["TMPDIR"] = MEMORY
    return {**os.environ, **values}


def measure_lines(root: Path, folder: Path, processes: int) -> CoveredLines:
    """Return the tests that run each line; run all tests once, unless that was done for these files."""
    done = folder / f"lines-{tree_hash(root, (*ROOMS, *TESTS))[:16]}"
    tree = folder / "tree-lines"
    if not done.exists():
        copy_tree(root, tree)
        partial = folder / "lines.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        command = [sys.executable, "-m", "pytest", *TESTS, "-q", "--tb=line", "-p", "no:randomly"]
        command += [f"--ignore-glob=*/{name}" for name in TOO_SLOW]
        command += ["-p", "tests.mutants.covered_lines", "--timeout=600", "-n", str(processes), "--dist", "loadfile"]
        print("measuring which test runs which line ...", flush=True)
        with (folder / "lines.log").open("wb") as log:
            values = environment(tree) | {covered_lines.FOLDER: str(partial)}
            subprocess.run(command, cwd=tree, env=values, stdout=log, stderr=log, check=False)
        partial.rename(done)
    return covered_lines.read(str(done), str(tree))


def task_of(mutant: Mutant, lines: CoveredLines) -> Task:
    """Return a mutant's task: the tests that run the changed lines, else those that run its function."""
    tests = lines.of(mutant.path, mutant.first, mutant.last)
    tests = tests or lines.of(mutant.path, mutant.function_first, mutant.function_last)
    ordered, seconds = affordable(tests, lines.tests, own_test(mutant.path))
    return Task(mutant.name, mutant.path, mutant.source(), ordered, STARTUP + SLACK * seconds)


def own_test(path: str) -> str:
    """Return the path of the test file of a module's name."""
    folder, _, name = path.rpartition("/")
    return f"tests/{folder}/test_{name}"


def affordable(tests: set[str], measured: dict[str, Measured], first: str) -> tuple[list[str], float]:
    """Return tests that together take no more than the budget, fastest modules first, and their seconds.

    The module's own test file comes before all others. The time of a module's shared fixtures counts once.
    """
    modules: dict[str, list[str]] = defaultdict(list)
    for test in tests:
        modules[test.partition("::")[0]].append(test)
    fixtures = {name: max(measured[test].setup for test in found) for name, found in modules.items()}
    for test, found in measured.items():  # the setup time of a module's first test includes its fixtures
        name = test.partition("::")[0]
        if name in fixtures:
            fixtures[name] = max(fixtures[name], found.setup)
    chosen: list[str] = []
    total = 0.0
    for name in sorted(
        modules, key=lambda name: (name != first, fixtures[name] + min(measured[t].call for t in modules[name]), name)
    ):
        paid = 0.0
        for test in sorted(modules[name], key=lambda test: (measured[test].call, test)):
            cost = measured[test].call + (0.0 if paid else fixtures[name])
            if chosen and total + cost > BUDGET:
                break
            chosen.append(test)
            total, paid = total + cost, 1.0
    return chosen, total


def run_mutants(mutants: list[Mutant], lines: CoveredLines, folder: Path, processes: int, results: Results) -> None:
    """Test mutants in several processes, each with a copy of the repository; note and print each outcome."""
    waiting: SimpleQueue[Mutant] = SimpleQueue()
    for mutant in mutants:
        waiting.put(mutant)
    lock, started, ended = threading.Lock(), time.monotonic(), 0

    def note(mutant: Mutant, outcome: Outcome) -> None:
        nonlocal ended
        with lock:
            results.add(mutant, outcome)
            ended += 1
            left = (time.monotonic() - started) / ended * (len(mutants) - ended)
            print(
                f"{ended}/{len(mutants)} {outcome.outcome} {mutant.path}:{mutant.first} in {outcome.seconds} s", end=""
            )
            print(f", about {left:.0f} s left", flush=True)

    def serve(number: int) -> None:
        tree = copy_tree(Path.cwd(), folder / f"tree-{number}")
        command = [sys.executable, "-m", "tests.mutants.forked_tests"]
        with subprocess.Popen(
            command, cwd=tree, env=environment(tree), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for mutant in _taken(waiting):
                task = task_of(mutant, lines)
                if not task.tests:
                    note(mutant, Outcome(task.name, "no test", "", 0.0))
                    continue
                process.stdin.write(json.dumps(asdict(task)) + "\n")
                process.stdin.flush()
                note(mutant, Outcome(**json.loads(process.stdout.readline())))
            process.stdin.close()

    threads = [threading.Thread(target=serve, args=(number,)) for number in range(processes if mutants else 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _taken(waiting: "SimpleQueue[Mutant]") -> Iterator[Mutant]:
    while True:
        try:
            yield waiting.get_nowait()
        except Empty:
            return


if __name__ == "__main__":
    sys.exit(main())
