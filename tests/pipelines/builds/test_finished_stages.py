"""Finished extract stages of a work folder, found again without their inputs."""

import json
from pathlib import Path
from typing import Any

import pytest

from corpusloom.pipelines.builds.finished_stages import extracted_inputs, finished_stages
from corpusloom.pipelines.store.stages import Stage, commit, plan_stage
from corpusloom.schemas import arrow
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.schemas.records import FileEntry

READ = {"recipe": {"honour": ("noai",)}, "limit": None}
A, B = (FileEntry(name=f"{name}.warc", sha256=name * 64, bytes=1) for name in "ab")


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return values as JSON holds them."""
    return dict(json.loads(json.dumps(values)))


def extract(work: Path, *inputs: FileEntry, version: int = 7, **changes: Any) -> Stage:
    """Commit an extract stage over some inputs."""
    values = {"warcs": [entry.sha256 for entry in inputs], "read": READ, "measured": 1} | changes
    stage = plan_stage(str(work), "extract", stage_version=version, inputs=values)
    commit(stage, (), warcs=arrow.to_plain(inputs))
    return stage


def test_a_finished_stage_comes_back_as_it_was_planned(tmp_path: Path) -> None:
    made = [extract(tmp_path, A), extract(tmp_path, A, B)]
    commit(plan_stage(str(tmp_path), "select", stage_version=1, inputs={}), ())
    (tmp_path / "stages" / "extract-unfinished").mkdir()
    found = finished_stages(str(tmp_path), "extract")
    assert [stage for stage, _ in found] == sorted(made, key=lambda stage: stage.folder)
    assert {values["fingerprint"] for _, values in found} == {stage.fingerprint for stage in made}


def test_a_new_work_folder_has_no_finished_stages(tmp_path: Path) -> None:
    assert finished_stages(str(tmp_path / "none"), "extract") == []


def test_inputs_are_found_however_their_records_were_measured(tmp_path: Path) -> None:
    extract(tmp_path, A, B)
    extract(tmp_path, A, B, measured=2)
    assert extracted_inputs(str(tmp_path), 7, READ) == ([A, B], plain(READ))


@pytest.mark.parametrize("other", [{"version": 6}, {"read": {**READ, "limit": 5}}], ids=["version", "read settings"])
def test_a_stage_of_another_version_or_other_read_settings_does_not_count(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    extract(tmp_path, A, **other)
    with pytest.raises(InputError, match="no finished pages that this recipe can use"):
        extracted_inputs(str(tmp_path), 7, READ)
    extract(tmp_path, B)
    assert extracted_inputs(str(tmp_path), 7, READ) == ([B], plain(READ))


def test_stages_of_different_inputs_are_ambiguous(tmp_path: Path) -> None:
    extract(tmp_path, A)
    extract(tmp_path, B)
    with pytest.raises(ConfigError, match=r"pages of 2 different inputs.*--warc"):
        extracted_inputs(str(tmp_path), 7, READ)


def test_the_columns_of_a_list_are_those_of_the_finished_stage_unless_others_are_asked_for(tmp_path: Path) -> None:
    listed = {**READ, "columns": {"url_column": "URL"}}
    extract(tmp_path, A, read=listed)
    assert extracted_inputs(str(tmp_path), 7, READ) == ([A], plain(listed))
    assert extracted_inputs(str(tmp_path), 7, listed) == ([A], plain(listed))
    with pytest.raises(InputError, match="no finished pages that this recipe can use"):
        extracted_inputs(str(tmp_path), 7, {**READ, "columns": {"url_column": "link"}})
    extract(tmp_path, A, read={**READ, "columns": {"url_column": "link"}})
    with pytest.raises(ConfigError, match="pages of 2 different inputs"):
        extracted_inputs(str(tmp_path), 7, READ)
