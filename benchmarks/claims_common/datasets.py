"""Datasets of the claims' benchmarks: tars with an index that `loom train` reads."""

import shutil
from collections.abc import Callable
from pathlib import Path

from corpusloom.trainers.stream.foreign.index_tars import index_tars


def write_indexed(folder: Path, kind: str, write_tars: Callable[[Path], None]) -> str:
    """Have tars written into a folder, index them, and return the index's path. A finished dataset is kept."""
    index = folder / "index"
    if not (index / "manifest.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_tars(folder)
        index_tars([str(folder / "*.tar")], str(index), kind=kind)
    return str(index)
