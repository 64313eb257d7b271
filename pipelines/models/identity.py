"""Identity of a pretrained model: the name, version and hash of weights that a dataset or store records.

One model per module: `detector` and `open_nsfw` today. The kinds of model that several packages offer have a Protocol
and a loader by name (`image_scorer`, `scorers`).
"""

import hashlib
from dataclasses import dataclass

from corpusloom.schemas import storage


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Name, version and weights of a model. Two models of one identity return the same values for the same input."""

    name: str
    version: str
    """Version of the package that ships the model."""
    weights_sha256: str
    """SHA-256 of the file of weights, 64 hex digits."""

    @property
    def label(self) -> str:
        """The name and the first 16 digits of the hash, as records carry them."""
        return f"{self.name} {self.weights_sha256[:16]}"


def hash_weights(path: str) -> str:
    """Return the SHA-256 of a file of weights, 64 hex digits."""
    return hashlib.sha256(storage.read_bytes(path)).hexdigest()
