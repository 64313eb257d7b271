"""The error of an image keeps its reason, in its text and across processes."""

import pickle

from corpusloom.schemas.images.errors import ImageError


def test_the_text_is_the_reason_and_the_detail() -> None:
    assert str(ImageError("too_many_pixels", "9 x 9")) == "too_many_pixels: 9 x 9"
    assert str(ImageError("truncated")) == "truncated"


def test_the_reason_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(ImageError("too_many_pixels", "9 x 9")))
    assert (type(error), error.reason) == (ImageError, "too_many_pixels")
