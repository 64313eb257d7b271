"""Keeps the outcomes of mutants on disk, so that a run can be resumed, and prints them as a table."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.mutants.forked_tests import Outcome
from tests.mutants.mutations import Mutant

KILLED = ("killed", "timeout")


class Results:
    """Outcomes of mutants, one line of JSON each.

    A killed mutant stays killed until its file changes. The others are tried again when any code or test has changed:
    `tree` is a hash of all files.
    """

    def __init__(self, path: Path, tree: str) -> None:
        self._path, self._tree = path, tree
        self._found: dict[tuple[str, str], tuple[Outcome, str]] = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            values = json.loads(line)
            file, tree = values.pop("file"), values.pop("tree")
            self._found[values["name"], file] = Outcome(**values), tree

    def get(self, mutant: Mutant) -> Outcome | None:
        """Return the outcome of a mutant that still holds, if there is one."""
        outcome, tree = self._found.get((mutant.name, _hash(mutant)), (None, ""))
        return outcome if outcome is not None and (outcome.outcome in KILLED or tree == self._tree) else None

    def add(self, mutant: Mutant, outcome: Outcome) -> None:
        """Record the outcome of a mutant."""
        self._found[outcome.name, _hash(mutant)] = outcome, self._tree
        with self._path.open("a") as handle:
            handle.write(json.dumps({**asdict(outcome), "file": _hash(mutant), "tree": self._tree}) + "\n")


def _hash(mutant: Mutant) -> str:
    """Return a hash of the unchanged file of a mutant."""
    return hashlib.sha256(mutant.module.code.encode()).hexdigest()[:16]


def killed_share(outcomes: Iterable[Outcome]) -> float:
    """Return the share of mutants killed by a test; one without any test counts as not killed."""
    found = [outcome.outcome in KILLED for outcome in outcomes]
    return sum(found) / len(found) if found else 0.0


def table(pairs: Sequence[tuple[Mutant, Outcome]]) -> str:
    """Return counts of outcomes by folder, then each mutant that no test killed."""
    by_folder: dict[str, list[Outcome]] = defaultdict(list)
    for mutant, outcome in pairs:
        by_folder[mutant.path.rpartition("/")[0]].append(outcome)
    lines = [f"{'folder':<32} {'mutants':>7} {'killed':>7} {'timeout':>7} {'survived':>8} {'no test':>7} {'share':>6}"]
    for folder, outcomes in [*sorted(by_folder.items()), ("all", [outcome for _, outcome in pairs])]:
        counts = [sum(o.outcome == name for o in outcomes) for name in ("killed", "timeout", "survived", "no test")]
        numbers = " ".join(f"{count:>{width}}" for count, width in zip(counts, (7, 7, 8, 7), strict=True))
        lines.append(f"{folder:<32} {len(outcomes):>7} {numbers} {killed_share(outcomes):>6.1%}")
    for mutant, outcome in pairs:
        if outcome.outcome not in KILLED:
            change = f"{_short(mutant.before)}  ->  {_short(mutant.after)}"
            lines.append(f"{outcome.outcome}: {mutant.path}:{mutant.first} {mutant.function}: {change}")
    return "\n".join(lines)


def _short(source: str, width: int = 90) -> str:
    return source if len(source) <= width else f"{source[: width - 3]}..."
