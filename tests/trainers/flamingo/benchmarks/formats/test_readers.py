"""A folder that is absent is named."""

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.flamingo.benchmarks.benchmark import find
from corpusloom.trainers.flamingo.benchmarks.formats.readers import read_items


def test_a_folder_that_is_absent_is_named() -> None:
    with pytest.raises(InputError, match="nowhere: no such folder"):
        read_items(find("coco"), "nowhere", "test")
