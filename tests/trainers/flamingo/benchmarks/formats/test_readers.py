"""A folder or a file of records that is absent is named."""

from pathlib import Path

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.flamingo.benchmarks.benchmark import find
from corpusloom.trainers.flamingo.benchmarks.formats.readers import read_items


def test_a_folder_or_file_that_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder"):
        read_items(find("coco"), "nowhere", "test")
    with pytest.raises(InputError, match=r"dataset_coco\.json: no such file \(give the file as it is published"):
        read_items(find("coco"), str(tmp_path), "test")
