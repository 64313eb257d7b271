"""Writes small benchmarks in CLIP_benchmark's layout."""

import io
import tarfile
from collections.abc import Iterable

from corpusloom.schemas import storage
from corpusloom.trainers.clip.zero_shot.benchmarks import CLASSES, TEMPLATES


def write_benchmark(
    folder: str, samples: Iterable[tuple[bytes, str, int]], classes: Iterable[str], templates: Iterable[str]
) -> None:
    """Write a benchmark of one shard from (image, extension, label), for `open_benchmark` and CLIP_benchmark."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for number, (image, extension, label) in enumerate(samples):
            for field, data in (("cls", str(label).encode()), (extension, image)):
                info = tarfile.TarInfo(f"s{number:07d}.{field}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    storage.write_bytes(storage.join(folder, CLASSES), "".join(f"{name}\n" for name in classes).encode())
    storage.write_bytes(storage.join(folder, TEMPLATES), "".join(f"{text}\n" for text in templates).encode())
    storage.write_bytes(storage.join(folder, "test", "0.tar"), buffer.getvalue())
    storage.write_bytes(storage.join(folder, "test", "nshards.txt"), b"1\n")
