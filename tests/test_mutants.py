"""`make mutants`: the mutants of a file, the sample, the tests of each mutant, and the stored outcomes."""

import dataclasses
from pathlib import Path

import pytest

pytest.importorskip("mutmut")  # of the extra dev

from tests.mutants.__main__ import BUDGET, affordable, own_test
from tests.mutants.covered_lines import CoveredLines, Measured
from tests.mutants.forked_tests import Outcome, Task, run
from tests.mutants.mutations import Mutant, mutants_of, sample
from tests.mutants.results import Results, killed_share, table

CODE = '''
"""A module."""
LIMIT = 5


def judge(value: int, most: int = 3) -> bool:
    """Judge a value."""
    if value < 0:
        raise ValueError(f"{value} is below", 0 + 1)
    where = "the text " + "of an error"
    remedy = "try again"
    label = "Count" >> step(value)
    return value <= most and InputError("no", where=where, remedy=remedy) is not None and label


class Kind:
    def size(self) -> int:
        return 7
'''


@pytest.fixture
def mutants(tmp_path: Path) -> list[Mutant]:
    """Return the mutants of a small module."""
    (tmp_path / "small.py").write_text(CODE)
    return mutants_of(tmp_path, "small.py")


def changes(mutants: list[Mutant]) -> set[tuple[str, str]]:
    return {(mutant.before, mutant.after) for mutant in mutants}


def test_operators_numbers_and_defaults_are_changed(mutants: list[Mutant]) -> None:
    found = changes(mutants)
    assert {("< 0", "<= 0"), ("0", "1"), ("<= most", "< most"), ("3", "4"), ("7", "8")} <= found
    assert {mutant.function for mutant in mutants} == {"judge", "Kind.size"}
    changed = next(mutant for mutant in mutants if mutant.after == "< most")
    assert changed.source() == CODE.replace("<= most", "< most")
    assert CODE.splitlines()[changed.first - 1].strip().startswith("return value")
    assert (changed.function_first, changed.function_last) == (6, 13)


def test_texts_of_errors_and_labels_are_left_alone(mutants: list[Mutant]) -> None:
    said = " ".join(f"{mutant.before} {mutant.after}" for mutant in mutants if mutant.before != CODE)
    assert "is below" not in said
    assert "0 + 1" not in said
    assert "the text" not in said
    assert "try again" not in said
    assert "XXCountXX" not in said
    assert "no" not in {mutant.before.strip('"') for mutant in mutants}
    assert "int" not in {mutant.before for mutant in mutants}


def test_a_sample_depends_on_the_seed_and_hardly_on_other_code(mutants: list[Mutant], tmp_path: Path) -> None:
    names = {mutant.name for mutant in sample(mutants, 5, 0)}
    assert len(names) == 5
    assert {mutant.name for mutant in sample(mutants[::-1], 5, 0)} == names
    assert {mutant.name for mutant in sample(mutants, 5, 1)} != names
    (tmp_path / "small.py").write_text(CODE.replace("return 7", "return 8"))
    again = {mutant.name for mutant in mutants_of(tmp_path, "small.py")}
    assert {mutant.name for mutant in mutants if mutant.function == "judge"} <= again
    assert len({mutant.name for mutant in mutants}) == len(mutants)


def test_a_mutant_is_given_its_own_tests_first_then_the_cheapest_modules() -> None:
    measured = {
        "tests/a.py::one": Measured(setup=9.0, call=1.0),
        "tests/a.py::two": Measured(call=0.5),
        "tests/b.py::one": Measured(call=2.0),
        "tests/test_own.py::one": Measured(call=20.0),
        "tests/c.py::one": Measured(call=BUDGET),
    }
    assert affordable(set(measured), measured, "tests/test_own.py") == (
        ["tests/test_own.py::one", "tests/b.py::one", "tests/a.py::two", "tests/a.py::one"],
        20.0 + 2.0 + 9.0 + 0.5 + 1.0,
    )
    assert affordable({"tests/c.py::one"}, measured, "") == (["tests/c.py::one"], BUDGET)
    assert affordable(set(), measured, "") == ([], 0.0)
    assert own_test("pipelines/store/ledger.py") == "tests/pipelines/store/test_ledger.py"


def test_the_tests_of_a_line_are_those_that_run_it() -> None:
    lines = CoveredLines(lines={"a.py": {3: {"x"}, 4: {"y"}, 6: {"z"}}})
    assert lines.of("a.py", 3, 4) == {"x", "y"}
    assert lines.of("a.py", 5, 5) == lines.of("b.py", 3, 4) == set()


@pytest.mark.timeout(900)
def test_a_mutant_runs_in_a_fork_and_the_file_is_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    original = "def answer():\n    return 42\n"
    Path("answers.py").write_text(original)
    Path("test_answers.py").write_text("from answers import answer\n\ndef test_it():\n    assert answer() == 42\n")
    sources = {
        "killed": original.replace("42", "43"),
        "survived": original.replace("42", "6 * 7"),
        "timeout": original.replace("return 42", "while True: pass"),
    }
    for outcome, source in sources.items():
        seconds = 5.0 if outcome == "timeout" else 400.0
        found = run(Task("n", "answers.py", source, ["test_answers.py"], seconds), tmp_path / "log")
        assert (found.outcome, found.test) == (outcome, "test_answers.py::test_it" if outcome == "killed" else "")
        assert Path("answers.py").read_text() == original


def test_an_outcome_holds_until_its_file_changes(mutants: list[Mutant], tmp_path: Path) -> None:
    killed, survived, other = mutants[:3]
    path = tmp_path / "results.jsonl"
    results = Results(path, "tree 1")
    for mutant, outcome in ((killed, "killed"), (survived, "survived")):
        results.add(mutant, Outcome(mutant.name, outcome, "", 1.0))
    assert [Results(path, "tree 1").get(mutant) is not None for mutant in (killed, survived, other)] == [
        True,
        True,
        False,
    ]
    assert [Results(path, "tree 2").get(mutant) is not None for mutant in (killed, survived, other)] == [
        True,
        False,
        False,
    ]
    (tmp_path / "small.py").write_text(CODE + "\n\nOTHER = 1\n")
    moved = {mutant.name: mutant for mutant in mutants_of(tmp_path, "small.py")}
    assert Results(path, "tree 1").get(moved[killed.name]) is None


def test_the_table_counts_by_folder_and_lists_surviving_mutants(mutants: list[Mutant]) -> None:
    pairs = [
        (dataclasses.replace(mutant, path=f"{folder}/small.py"), Outcome(mutant.name, outcome, "", 1.0))
        for mutant, folder, outcome in zip(
            mutants, ("a", "a", "b", "b"), ("killed", "survived", "timeout", "no test"), strict=False
        )
    ]
    shown = table(pairs)
    assert killed_share([outcome for _, outcome in pairs]) == 0.5
    assert [line.split() for line in shown.splitlines()[1:4]] == [
        ["a", "2", "1", "0", "1", "0", "50.0%"],
        ["b", "2", "0", "1", "0", "1", "50.0%"],
        ["all", "4", "1", "1", "1", "1", "50.0%"],
    ]
    assert [line.split(":")[0] for line in shown.splitlines()[4:]] == ["survived", "no test"]
    assert killed_share([]) == 0.0
