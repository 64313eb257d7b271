"""Arrays of an npz equal numpy's, however it was written; damaged, huge and pickled ones are refused."""

import io
import pickle
import zipfile
from collections.abc import Callable

import numpy as np
import pytest

from corpusloom.trainers.stream.errors import SampleError
from corpusloom.trainers.stream.samples.npz import MAX_ARRAY_BYTES, load_arrays

ARRAYS = {
    "boxes": np.arange(8, dtype=np.float32).reshape(2, 4),
    "columns": np.asfortranarray(np.arange(6, dtype=np.int64).reshape(2, 3)),
    "empty": np.zeros((0, 4), np.float16),
    "one": np.array(3.5),
}


def archive(save: Callable[..., None] = np.savez, **arrays: np.ndarray) -> bytes:
    sink = io.BytesIO()
    save(sink, **arrays)
    return sink.getvalue()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_those_that_were_saved_and_may_be_changed(save: Callable[..., None]) -> None:
    found = load_arrays(archive(save, **ARRAYS))
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        found[name][...] = 0


def test_a_zip_with_a_comment_is_read_too() -> None:
    sink = io.BytesIO(archive(**ARRAYS))
    with zipfile.ZipFile(sink, "a") as opened:
        opened.comment = b"written by hand"
    np.testing.assert_array_equal(load_arrays(sink.getvalue())["boxes"], ARRAYS["boxes"])


@pytest.mark.parametrize("cut", [1, 30, 400])
def test_a_damaged_archive_is_refused(cut: int) -> None:
    data = archive(**ARRAYS)
    for damaged in (data[:-cut], data[cut:], b"PK"):
        with pytest.raises(SampleError) as caught:
            load_arrays(damaged)
        assert caught.value.reason == "bad_regions"


def test_a_size_beyond_the_member_is_refused() -> None:
    data = archive(one=np.zeros(4)).replace(b"'shape': (4,), ", b"'shape': (99,),")
    with pytest.raises(SampleError, match="bad_regions"):
        load_arrays(data)


def test_objects_are_not_unpickled() -> None:
    class Bomb:
        def __reduce__(self) -> tuple:
            return exec, ("raise SystemExit('executed')",)

    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as opened:
        opened.writestr("boxes.npy", pickle.dumps(Bomb()))  # an attack, which must not be loaded
    for data in (sink.getvalue(), archive(boxes=np.array([Bomb()], object))):
        with pytest.raises(SampleError):
            load_arrays(data)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_an_archive_above_the_limit_is_refused(method: int) -> None:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as opened, opened.open("boxes.npy", "w") as member:
        for _ in range(MAX_ARRAY_BYTES // (1 << 20) + 1):
            member.write(bytes(1 << 20))
    with pytest.raises(SampleError) as caught:
        load_arrays(sink.getvalue())
    assert caught.value.reason == "npz_too_large"
