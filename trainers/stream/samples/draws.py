"""The random draws of one sample: a generator that depends on the seed, the epoch and the sample's key alone."""

import hashlib
from typing import Any

import numpy as np


class SampleDraws:
    """One generator, reset for each sample, because making one takes as long as reading the sample; for one thread."""

    def __init__(self, rng_seed: int) -> None:
        self._seed = rng_seed & 0xFFFFFFFFFFFFFFFF
        self._bits = np.random.Philox(key=0)
        self._generator = np.random.Generator(self._bits)
        self._fresh: Any = self._bits.state

    def of(self, epoch: int, key: str) -> np.random.Generator:
        """Return the generator of a sample in an epoch, the same on any rank and worker; valid until the next call."""
        salt = self._seed.to_bytes(8, "little") + epoch.to_bytes(8, "little")
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16, salt=salt).digest()
        self._fresh["state"]["key"] = np.frombuffer(digest, dtype="<u8")
        self._bits.state = self._fresh
        return self._generator
