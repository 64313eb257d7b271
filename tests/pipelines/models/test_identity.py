"""The identity of a model: the hash of its weights, and the label that records carry."""

import hashlib
from pathlib import Path

from corpusloom.pipelines.models.identity import ModelIdentity, hash_weights


def test_the_label_is_the_name_and_16_digits_of_the_hash() -> None:
    assert ModelIdentity("a-model", "2.1", "0123456789abcdef" * 4).label == "a-model 0123456789abcdef"


def test_the_hash_covers_every_byte_of_the_weights(tmp_path: Path) -> None:
    path = tmp_path / "weights.onnx"
    path.write_bytes(b"weights")
    assert hash_weights(str(path)) == hashlib.sha256(b"weights").hexdigest()
    path.write_bytes(b"weighty")
    assert hash_weights(str(path)) != hashlib.sha256(b"weights").hexdigest()
