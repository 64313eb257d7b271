"""One read a sample: the range that covers its members, then views of it."""

import os
import threading
from collections import OrderedDict

from schemas import storage
from schemas.errors import DamageError
from trainers.stream.index import DatasetIndex
from trainers.stream.samples import MAX_MEMBER_BYTES, Sample, make_sample

OPEN_FILES = 64


class Reader:
    """Reads samples of one dataset; safe to use from several threads."""

    def __init__(self, index: DatasetIndex) -> None:
        self.index = index
        self._files: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, sample: int) -> Sample:
        """Return one sample; one that cannot be read is a DamageError that names its shard."""
        shard, row = self.index.locate(sample)
        path = storage.join(self.index.path, shard.tar)
        members = shard.members(row)
        if not members:
            raise DamageError(f"sample {shard.key(row)} has no member", where=path)
        start = min(offset for _, offset, _ in members)
        end = max(offset + size for _, offset, size in members)
        if end - start > MAX_MEMBER_BYTES:
            raise DamageError(f"sample {shard.key(row)} has {end - start} bytes", where=path)
        data = self._range(path, start, end)
        if len(data) != end - start:
            raise DamageError(f"ends before sample {shard.key(row)}", where=path, remedy="loom verify the dataset")
        fields = {field: data[offset - start : offset - start + size] for field, offset, size in members}
        return make_sample(self.index.kind, shard.key(row), fields)

    def _range(self, path: str, start: int, end: int) -> bytes:
        if not storage.is_local(path):
            return storage.read_bytes(path, start, end)
        with self._lock:
            descriptor = self._open(path)
            descriptor = os.dup(descriptor)
        try:
            return os.pread(descriptor, end - start, start)
        finally:
            os.close(descriptor)

    def _open(self, path: str) -> int:
        if path in self._files:
            self._files.move_to_end(path)
            return self._files[path]
        try:
            descriptor = os.open(path.removeprefix("file://"), os.O_RDONLY)
        except OSError as error:
            raise DamageError(error.strerror or str(error), where=path, remedy="loom verify the dataset") from error
        self._files[path] = descriptor
        if len(self._files) > OPEN_FILES:
            os.close(self._files.popitem(last=False)[1])
        return descriptor

    def close(self) -> None:
        """Close the files."""
        while self._files:
            os.close(self._files.popitem()[1])
