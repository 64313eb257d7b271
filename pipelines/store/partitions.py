"""Rows parted by key range on a local disk, read back a partition at a time: a shuffle in bounded memory.

Rows are held until they fill a buffer; then they go to one Arrow file of a record batch a partition, so that a
partition is read back with a seek a file. Scratch: a file is never committed, and is gone with its folder.
"""

import contextlib
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError

SCRATCH = ".scratch-"
BUFFER_BYTES = 16 << 20


@contextlib.contextmanager
def scratch_folder(near: str) -> Iterator[str]:
    """Make a local folder for scratch files, in `near` where that is local; what a killed run left there is removed.

    Only of this host: a folder may be shared, and who is alive on another host is not known here.
    """
    local = storage.is_local(near)
    prefix = f"{SCRATCH}{socket.gethostname()}-"
    with _explained(near):
        if local:
            near = near.removeprefix("file://")
            os.makedirs(near, exist_ok=True)
            for name in os.listdir(near):
                owner = re.fullmatch(re.escape(prefix) + r"(\d+)-[^-]*", name)
                if owner and not os.path.exists(f"/proc/{owner.group(1)}"):
                    shutil.rmtree(os.path.join(near, name), ignore_errors=True)
        folder = tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=near if local else None)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _explained(folder: str) -> Iterator[None]:
    """Turn what the system refuses into an InputError that names the folder."""
    try:
        yield
    except OSError as error:
        remedy = "check free space and permissions; --passes needs less at once"
        raise InputError(error.strerror or str(error), where=folder, remedy=remedy) from error


class PartitionedRows:
    """Tables of one schema, their rows parted over a number of partitions.

    Args:
      folder: A local folder of its own; made here, removed by `close`.
      schema: What every table has.
      partitions: How many; each must fit in memory when it is read back.
    """

    def __init__(self, folder: str, schema: pa.Schema, partitions: int) -> None:
        os.makedirs(folder)
        self._folder, self.schema, self._partitions = folder, schema, partitions
        self._held: list[tuple[pa.Table, NDArray[np.int64]]] = []
        self._bytes = 0
        self._files: list[str] = []

    def add(self, table: pa.Table, partition: NDArray[np.int64]) -> None:
        """Add rows, each to its partition."""
        if table.num_rows:
            self._held.append((table, partition))
            self._bytes += table.get_total_buffer_size()
        if self._bytes >= BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        if not self._held:
            return
        partition = np.concatenate([partition for _, partition in self._held])
        table = pa.concat_tables([table for table, _ in self._held])
        self._held, self._bytes = [], 0
        table = table.take(pa.array(np.argsort(partition, kind="stable"))).combine_chunks()
        batch = table.to_batches()[0]
        ends = np.cumsum(np.bincount(partition, minlength=self._partitions)).tolist()
        path = os.path.join(self._folder, f"{len(self._files):06d}.arrow")
        with _explained(self._folder), pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, self.schema) as writer:
            for start, end in zip([0, *ends], ends, strict=False):
                writer.write_batch(batch.slice(start, end - start))
        self._files.append(path)

    def read(self, partition: int) -> pa.Table:
        """Return the rows of one partition in the order in which they were added."""
        self.flush()
        batches = []
        for path in self._files:
            with pa.OSFile(path, "rb") as source:
                batches.append(pa.ipc.open_file(source).get_batch(partition))
        return pa.Table.from_batches(batches, schema=self.schema).combine_chunks()

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self._folder, ignore_errors=True)
