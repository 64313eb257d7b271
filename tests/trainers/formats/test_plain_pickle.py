"""A pickle is read only if it has plain values: one that would run code is refused before it does."""

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.formats.plain_pickle import read_plain_pickle


class Exploit:
    """An object whose pickle runs a command when it is read."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_code_in_a_pickle_does_not_run(tmp_path: Path, protocol: int) -> None:
    marker = tmp_path / "run"
    hostile = pickle.dumps([{"ref_id": 1, "split": Exploit(marker)}], protocol=protocol)
    with pytest.raises(InputError, match=r"^refs\(unc\)\.p: not a pickle of plain values: it names \S+\.system, which"):
        read_plain_pickle(hostile, "refs(unc).p")
    assert not marker.exists()
    pickle.loads(hostile)
    assert marker.exists()  # the payload is a real one


@pytest.mark.parametrize(
    "payload",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"c__builtin__\neval\n(S'1'\ntR.",
        b"(S'true'\nios\nsystem\n.",
        b"Ptoken\n.",
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x06\x00\x00\x00latin1\x86R.",
        pickle.dumps(OrderedDict(a=1)),
        b"not a pickle",
        b"",
        pickle.dumps([1, 2])[:-1],
    ],
)
def test_names_of_functions_and_damaged_bytes_are_refused(payload: bytes) -> None:
    with pytest.raises(InputError, match="not a pickle of plain values"):
        read_plain_pickle(payload, "x.p")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_come_back(protocol: int) -> None:
    value = [{"a": (1, 2.5, None), "b": [True, "é"]}, {"c": []}]
    assert read_plain_pickle(pickle.dumps(value, protocol=protocol), "x.p") == value


def test_texts_of_python_2_are_read() -> None:
    assert read_plain_pickle(b"\x80\x02}q\x00U\x05splitq\x01U\x05trainq\x02s.", "x.p") == {"split": "train"}
