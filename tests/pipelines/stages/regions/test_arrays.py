"""regions.npz: numpy reads it, equal arrays give equal bytes, and objects are refused."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.stages.regions.arrays import encode_regions
from corpusloom.trainers.stream.samples.npz import load_arrays


def arrays(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return (
        rng.random((count, 4), np.float32),
        rng.random((count, 8)).astype(np.float16),
        rng.random((count, 5)).astype(np.float16),
    )


@given(st.integers(0, 36), st.integers(0, 100))
def test_what_was_written_is_read_without_pickle(count: int, seed: int) -> None:
    boxes, features, class_probs = arrays(count, seed)
    archive = encode_regions(boxes, features, class_probs)
    assert archive == encode_regions(boxes.copy(order="F"), features[:], class_probs)
    with np.load(io.BytesIO(archive), allow_pickle=False) as found:
        assert sorted(found.files) == ["boxes", "class_probs", "features"]
    for name, array in load_arrays(archive).items():
        expected = {"boxes": boxes, "features": features, "class_probs": class_probs}[name]
        assert array.dtype == expected.dtype
        np.testing.assert_array_equal(array, expected)


def test_an_array_of_objects_is_refused() -> None:
    _, features, class_probs = arrays(2, 0)
    with pytest.raises(ValueError, match="Object arrays"):
        encode_regions(np.array([{}, {}], object), features, class_probs)
