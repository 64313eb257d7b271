"""JSON files with a checksum of themselves: any changed byte is found, and every error names the file."""

import json
from pathlib import Path

import pytest

from corpusloom.schemas.errors import DamageError
from corpusloom.schemas.guards import json_files

VALUES = {"name": "grün", "nested": {"checksum": "", "list": [1, 2.5, None]}, "text": 'a "checksum": ""\n'}


def test_a_sealed_file_is_read_back_without_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(json_files.seal(VALUES))
    assert json_files.read(str(path), "build again") == VALUES
    assert len(json.loads(path.read_bytes())["checksum"]) == 64
    path.write_text(json.dumps(VALUES))
    assert json_files.read(str(path), "build again") == VALUES  # as an earlier version wrote it


def test_every_flip_and_every_cut_is_found_or_changes_no_value(tmp_path: Path) -> None:
    data, path = json_files.seal(VALUES), tmp_path / "x.json"
    changed = [data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :] for at in range(len(data))]
    found = []
    for damaged in [*changed, *(data[:at] for at in range(len(data) - 1))]:
        path.write_bytes(damaged)
        try:
            values = json_files.read_object(str(path), "build again")
            assert {name: values[name] for name in VALUES} == VALUES  # the name of the checksum is gone
        except DamageError as error:
            found.append(error)
    assert len(found) > 2 * len(data) - 12
    assert {(error.where, error.remedy) for error in found} == {(str(path), "build again")}


@pytest.mark.parametrize("data", [b"[" * 100_000, b"", b"\xff\xfe", b"[1]", b"{}", b'{"a": 1}', b"NaN", b'{"n": "x"}'])
def test_another_value_is_damage_that_names_the_file(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.json").write_bytes(data)
    with pytest.raises(DamageError, match=r"x\.json: .*\(build again\)"):
        json_files.read_object(str(tmp_path / "x.json"), "build again", {"n": int})
