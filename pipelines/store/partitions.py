"""A shuffle in bounded memory: divides rows into partitions on a local disk and reads one partition at a time.

Rows are buffered; a full buffer is written to one Arrow file with one record batch per partition, so that reading a
partition needs one seek per file. The files are temporary and are deleted with their folder.
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
from corpusloom.schemas.errors import InputError, raise_shortage

SCRATCH = ".scratch-"
BUFFER_BYTES = 16 << 20
"""Bytes of rows that are buffered before they are written."""


@contextlib.contextmanager
def scratch_folder(near: str) -> Iterator[str]:
    """Make a local folder for temporary files, inside `near` if that is local; delete it when the block ends.

    Folders that a killed run of this host left in `near` are deleted too. Those of other hosts are kept, since `near`
    may be shared and their processes may still run.
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
    """Convert an error of the operating system to an InputError that names the folder."""
    try:
        yield
    except OSError as error:
        raise_shortage(error, folder)
        remedy = "check free space and permissions; more --passes need less space"
        raise InputError(error.strerror or str(error), where=folder, remedy=remedy) from error


class PartitionedRows:
    """Rows of one schema, divided into partitions on disk.

    Args:
      folder: Local folder that does not exist; made here and deleted by `close`.
      schema: Schema of all rows.
      partitions: Number of partitions. Each must fit in memory when it is read back.
    """

    def __init__(self, folder: str, schema: pa.Schema, partitions: int) -> None:
        os.makedirs(folder)
        self._folder, self.schema, self._partitions = folder, schema, partitions
        self._held: list[tuple[pa.Table, NDArray[np.int64]]] = []
        self._bytes = 0
        self._files: list[str] = []

    def add(self, table: pa.Table, partition: NDArray[np.int64]) -> None:
        """Add the rows of a table; `partition` is the number of each row's partition."""
        if table.num_rows:
            self._held.append((table, partition))
            self._bytes += table.get_total_buffer_size()
        if self._bytes >= BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write the buffered rows."""
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
        """Return the rows of one partition, in the order in which they were added."""
        self.flush()
        batches = []
        for path in self._files:
            with pa.OSFile(path, "rb") as source:
                batches.append(pa.ipc.open_file(source).get_batch(partition))
        return pa.Table.from_batches(batches, schema=self.schema).combine_chunks()

    def close(self) -> None:
        """Delete the files and their folder."""
        shutil.rmtree(self._folder, ignore_errors=True)
