"""RefCOCO's files are read as they are published; a hostile pickle and missing records are refused."""

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.vilbert.downstream.config import TaskDataConfig
from corpusloom.trainers.vilbert.downstream.formats.expressions import read_expressions
from tests.trainers.vilbert.downstream.worlds import write_refcoco

DATA = TaskDataConfig()


def test_each_sentence_of_a_split_is_one_expression(tmp_path: Path) -> None:
    files = write_refcoco(tmp_path, [1, 2], held_out=[2])
    found = read_expressions(files, DATA)
    assert found == read_expressions(files[::-1], DATA)
    assert [item.number for item in found] == list(range(16))
    assert [item.split for item in found] == ["train"] * 8 + ["val"] * 8
    found = found[8:]
    assert (found[2].key, found[2].image, found[2].box) == ("21/42", 2, (100.0, 0.0, 100.0, 100.0))
    assert (found[2].width, found[2].height) == (200.0, 200.0)


class Exploit:
    """An object whose pickle runs a command when it is read."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


def test_a_hostile_pickle_is_refused_and_does_not_run(tmp_path: Path) -> None:
    files = write_refcoco(tmp_path, [1])
    Path(files[0]).write_bytes(pickle.dumps([{"ref_id": Exploit(tmp_path / "run")}]))
    with pytest.raises(InputError, match=r"refs\(unc\)\.p: not a pickle of plain values: it names \w+\.system"):
        read_expressions(files, DATA)
    assert not (tmp_path / "run").exists()


def test_files_that_do_not_fit_are_named(tmp_path: Path) -> None:
    files = write_refcoco(tmp_path, [1, 2])
    cases = [
        (files[:1], r"no instances\.json"),
        (files[1:], "no pickle of references"),
        ([str(tmp_path / "none.p"), files[1]], r"none\.p: no such file"),
        ([files[0], write_refcoco(tmp_path / "b", [1])[1]], "reference 20: no object 20 among"),
    ]
    for paths, message in cases:
        with pytest.raises(InputError, match=message):
            read_expressions(paths, DATA)
    Path(files[0]).write_bytes(pickle.dumps([]))
    with pytest.raises(InputError, match="no pickle of references"):
        read_expressions(files, DATA)
    Path(files[0]).write_bytes(pickle.dumps({"refs": []}))
    with pytest.raises(InputError, match="not a list of references"):
        read_expressions(files, DATA)
    Path(files[0]).write_bytes(pickle.dumps([{"ref_id": 1}]))
    with pytest.raises(InputError, match=r"refs\(unc\)\.p: record 0: no field 'image_id'"):
        read_expressions(files, DATA)
    content = json.loads(Path(files[1]).read_text())
    Path(files[1]).write_text(json.dumps({"annotations": content["annotations"]}))
    with pytest.raises(InputError, match=r"instances\.json: no field 'images'"):
        read_expressions(files, DATA)
