"""Writes a dataset from samples that are no pages of the web: shards, sizes and the manifest, without tables."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from corpusloom.pipelines.store.dataset import folder as store_dataset
from corpusloom.pipelines.store.dataset.samples import UnwrittenSample
from corpusloom.pipelines.store.dataset.shard_files import write_shard_files
from corpusloom.schemas import layout, storage
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.schemas.manifest import Manifest, make_digest, write_manifest
from corpusloom.schemas.records import SidecarRow

ReadSample = Callable[[str], tuple[str, str, Mapping[str, bytes]] | None]
"""A sample's key -> its URL or name, its text and its members (field -> bytes); None leaves the sample out."""


def write_dataset(
    out: str,
    keys: Sequence[str],
    read: ReadSample,
    *,
    recipe: str,
    kind: str,
    config: Mapping[str, str | int],
    on_sample: Callable[[], None] = lambda: None,
) -> Manifest:
    """Write samples into the folder `out`, one after the other, and return the manifest.

    What a killed call left there is written anew. Raises ConfigError if a finished dataset is there, BusyError if
    another process writes there, InputError if no sample can be read.

    Args:
      out: Folder of the dataset.
      keys: Keys of the samples, ascending.
      read: Returns a sample.
      recipe: Name of what made the samples, for the manifest.
      kind: Kind of the samples: pairs, clips ...
      config: Settings that shaped the samples, for the manifest and the digest.
      on_sample: Called after each key.
    """
    if storage.exists(storage.join(out, layout.MANIFEST)):
        raise ConfigError("holds a finished dataset", where=out, remedy="give another --out, or delete the folder")
    count = layout.default_shards(len(keys))

    def samples(index: int) -> Iterator[UnwrittenSample]:
        for key in keys:
            if layout.shard_of(key, count) != index:
                continue
            found = read(key)
            if found is not None:
                yield _unwritten(key, *found)
            on_sample()

    with store_dataset.building(out):
        store_dataset.clear(out)
        written = [write_shard_files(out, index, samples(index)) for index in range(count)]
        shards = tuple(entry for entry in written if entry is not None)
        if not shards:
            raise InputError("no sample can be read", where=out, remedy="check the paths of the images or videos")
        store_dataset.write_sizes(out, shards)
        text = json.dumps(config, sort_keys=True)
        manifest = Manifest(
            recipe=recipe,
            kind=kind,
            config=text,
            inputs=(),
            shard_count=count,
            samples=sum(entry.samples for entry in shards),
            counts=(),
            shards=shards,
            tables=(),
            digest=make_digest(text, shards, ()),
        )
        write_manifest(out, manifest)
    return manifest


def _unwritten(key: str, url: str, text: str, fields: Mapping[str, bytes]) -> UnwrittenSample:
    images = sum(layout.extension_of(name) in layout.IMAGE_EXTENSIONS for name in fields)
    row = SidecarRow(key=key, url=url, caption=text, text_length=len(text), images=images)
    return UnwrittenSample(key, dict(fields), row, {})
