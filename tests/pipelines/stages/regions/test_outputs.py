"""Detector outputs in a store: found by content, first part counts, read while parts are added, removed by image."""

from pathlib import Path

import pytest

from corpusloom.pipelines.stages.regions.outputs import (
    GROUP_ROWS,
    DetectorOutputs,
    commit_outputs,
    outputs_folder,
    remove_outputs,
)
from corpusloom.schemas import storage
from corpusloom.schemas.records import DetectorOutput

DETECTOR = "grid 0123456789abcdef"


def output(number: int, regions: bytes = b"", image: int | None = None) -> DetectorOutput:
    """Return the output for an image whose hash is made from a number."""
    fetched = number if image is None else image
    return DetectorOutput(
        sha256=f"{number:064x}", image_sha256=f"{fetched:064x}", count=number, regions=regions or bytes([number])
    )


def read(store: Path) -> DetectorOutputs:
    return DetectorOutputs.read(str(store), DETECTOR)


def test_each_row_is_found_by_its_hash_whichever_row_group_holds_it(tmp_path: Path) -> None:
    rows = [output(number) for number in range(2 * GROUP_ROWS + 1)]
    commit_outputs(str(tmp_path), DETECTOR, rows[::-1])
    commit_outputs(str(tmp_path), DETECTOR, [output(77)])
    found = read(tmp_path)
    assert len(found) == len(rows) + 1
    assert [found.find(row.sha256) for row in (*rows, output(77))] == [*rows, output(77)]
    assert output(78).sha256 not in found
    assert found.find(output(78).sha256) is None


def test_a_store_without_outputs_and_another_detectors_are_empty(tmp_path: Path) -> None:
    assert len(read(tmp_path)) == 0
    commit_outputs(str(tmp_path), "other 00", [output(1)])
    assert len(read(tmp_path)) == 0


def test_a_part_has_the_same_bytes_each_time_and_the_first_by_name_counts(tmp_path: Path) -> None:
    folder = outputs_folder(str(tmp_path), DETECTOR)
    commit_outputs(str(tmp_path), DETECTOR, [output(1), output(2)])
    (name,) = storage.listing(folder)
    before = Path(folder, name).read_bytes()
    commit_outputs(str(tmp_path), DETECTOR, [output(2), output(1)])
    assert storage.listing(folder) == [name]
    assert Path(folder, name).read_bytes() == before
    commit_outputs(str(tmp_path), DETECTOR, [output(2, b"computed again"), output(3)])
    first = min(storage.listing(folder))
    expected = bytes([2]) if first == name else b"computed again"
    assert read(tmp_path).wait_for(output(2).sha256).regions == expected


def test_a_row_that_was_stored_after_the_keys_were_read_is_found(tmp_path: Path) -> None:
    found = read(tmp_path)
    commit_outputs(str(tmp_path), DETECTOR, [output(4)])
    assert found.find(output(4).sha256) is None
    assert found.wait_for(output(4).sha256) == output(4)
    assert output(4).sha256 in found


@pytest.mark.parametrize("detector", [DETECTOR, "other 00"])
def test_a_take_down_removes_all_outputs_of_an_image_as_fetched(tmp_path: Path, detector: str) -> None:
    commit_outputs(str(tmp_path), detector, [output(1), output(2, image=9), output(3, image=9)])
    commit_outputs(str(tmp_path), detector, [output(4, image=9)])
    commit_outputs(str(tmp_path), detector, [output(5)])
    untouched = outputs_folder(str(tmp_path), detector)
    remove_outputs(str(tmp_path), frozenset())
    assert len(storage.listing(untouched)) == 3
    remove_outputs(str(tmp_path), frozenset({output(9).sha256}))
    found = DetectorOutputs.read(str(tmp_path), detector)
    assert [number for number in range(10) if output(number).sha256 in found] == [1, 5]
    assert len(storage.listing(untouched)) == 2
