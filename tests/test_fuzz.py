"""Flip and cut bytes of the files of a small world; `make fuzz` does it 2,000 times."""

import random
from pathlib import Path

import pytest

from corpusloom.schemas.errors import DamageError
from tests.fuzz import FOUND, HARMLESS, REFUSED, Report, attack, changed, fuzz


@pytest.mark.timeout(600)
def test_forty_changes_are_found_refused_or_harmless() -> None:
    report = fuzz(40, rng_seed=3)
    assert report.wrong == []
    assert report.outcomes.total() >= 39
    assert {name.rpartition(": ")[2] for name in report.outcomes} <= {FOUND, REFUSED, HARMLESS}


def test_a_change_is_a_flip_a_cut_or_zeros() -> None:
    data, rng = bytes(range(1, 200)), random.Random(0)
    made = [changed(data, rng) for _ in range(200)]
    flips = [new for new in made if len(new) == len(data) and sum(a != b for a, b in zip(data, new, strict=True)) == 1]
    assert len(flips) > 100
    assert any(len(new) < len(data) for new in made)
    assert any(b"\0\0\0" in new for new in made)


@pytest.mark.parametrize(
    ("error", "accepted"),
    [
        (DamageError("cut", where="a.json", remedy="delete it"), True),
        (DamageError("cut"), False),
        (ValueError("odd"), False),
        (DamageError("two\nlines", where="a.json"), False),
        (None, False),
    ],
)
def test_an_error_names_a_file_in_one_line_and_silence_is_wrong(
    tmp_path: Path, error: Exception | None, accepted: bool
) -> None:
    path, report = tmp_path / "a.json", Report(0)
    path.write_bytes(b"data")

    def check() -> str:
        if error is not None:
            raise error
        return "silent"

    attack(report, "stage", path, check, random.Random(1))
    assert path.read_bytes() == b"data"
    assert report.outcomes == ({"stage: refused": 1} if accepted else {})
    assert len(report.wrong) == (0 if accepted else 1)
