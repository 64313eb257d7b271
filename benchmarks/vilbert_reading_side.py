"""Reads regions with our loader or with the public code's LMDB readers, and prints samples per second.

    PYTHON benchmarks/vilbert_reading_side.py ours features|batches TARS
    PYTHON benchmarks/vilbert_reading_side.py public features|batches TARS LMDB CHECKOUT

`features` are 37 float32 features, IMG first, with their locations, as the tasks read them. `batches` are those of the
pre-training, 64 samples each, with captions, masks and class probabilities. Ours runs in our environment, the public
code in one with lmdb, numpy and tensorpack. The first pass over all samples is not counted; both sides draw an order.
"""

import importlib
import io
import json
import pickle
import random
import sys
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BATCH = 64
Pass = Callable[[], Iterable[int]]
"""Reads all samples and yields the number of samples of each part."""


def ours(kind: str, tars: str) -> Pass:
    """Return a pass of our loader."""
    sys.path.insert(0, str(ROOT))
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    data = importlib.import_module("corpusloom.trainers.vilbert.data")
    tokenizer = importlib.import_module("corpusloom.trainers.vilbert.tokenizer").learn_tokenizer([caption(0)], 200)
    config = importlib.import_module("corpusloom.trainers.vilbert.config").ViLBERTDataConfig()
    dataset = importlib.import_module("corpusloom.trainers.stream.dataset").StreamingDataset
    stream = dataset(tars, rank=0, world_size=1)

    def features() -> Iterator[int]:
        for sample in stream:
            arrays = data.region_inputs(sample, config.regions)
            torch.from_numpy(arrays["features"]).float()
            yield 1

    def batches() -> Iterator[int]:
        transform = data.PretrainingTransform(tokenizer, config)
        for batch in stream.batches(BATCH, transform=transform, workers=0, epochs=1):
            batch["features"].float()
            yield int(batch["valid"].sum())

    return {"features": features, "batches": batches}[kind]


def caption(number: int) -> str:
    """Return a caption of ten words."""
    return f"{number} dogs on the grass beside an old red car"


def members_of(tars: str) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield key, regions and JSON of each sample of our tars."""
    import numpy as np

    for tar in sorted(Path(tars).glob("*.tar")):
        with tarfile.open(tar) as opened:
            members = {info.name: info for info in opened}
            for key in (name.partition(".")[0] for name in members if name.endswith(".regions.npz")):
                body, info = (opened.extractfile(members[f"{key}.{end}"]) for end in ("regions.npz", "json"))
                assert body is not None
                assert info is not None
                yield key, dict(np.load(io.BytesIO(body.read()))), json.load(info)["regions"]


def write_features(tars: str, path: str) -> None:
    """Write the samples of our tars as script/convert_to_lmdb.py of the public code does."""
    import lmdb
    import numpy as np

    with lmdb.open(path, map_size=1 << 40) as store, store.begin(write=True) as rows:
        keys = []
        for key, arrays, size in members_of(tars):
            item = {
                "image_id": key,
                "image_h": size["image_height"],
                "image_w": size["image_width"],
                "num_boxes": len(arrays["boxes"]),
                "boxes": arrays["boxes"],
                "features": arrays["features"].astype(np.float32),
            }
            rows.put(key.encode(), pickle.dumps(item))  # the public LMDBs hold pickles
            keys.append(key.encode())
        rows.put(b"keys", pickle.dumps(keys))


def features_reader(path: str, checkout: str) -> Pass:
    """Return a pass of the reader of the tasks; h5py, which it imports, is not used."""
    sys.modules["h5py"] = ModuleType("h5py")
    sys.path.insert(0, str(Path(checkout, "vilbert", "datasets")))
    reader = importlib.import_module("_image_features_reader").ImageFeaturesH5Reader(path)
    keys = [key.decode() for key in reader._image_ids]

    def read() -> Iterator[int]:
        random.shuffle(keys)
        for key in keys:
            reader[key]
            yield 1

    return read


class Words:
    """A tokenizer that takes less time than BERT's: an id per word."""

    mask_token = "[MASK]"

    def __len__(self) -> int:
        return 30_522

    def encode(self, text: str) -> list[int]:
        """Return an id per word."""
        return [len(word) for word in text.split()]

    def convert_tokens_to_ids(self, token: str) -> int:
        """Return the id of [MASK]."""
        return 103

    def add_special_tokens_single_sentence(self, ids: list[int]) -> list[int]:
        """Return the ids between those of [CLS] and [SEP]."""
        return [101, *ids, 102]


def write_batches(tars: str, path: str) -> None:
    """Write the samples of our tars as the pre-training reads them, and the file of captions beside them."""
    import numpy as np
    import tensorpack.dataflow as td

    def rows() -> Iterator[list[Any]]:
        for number, (key, arrays, size) in enumerate(members_of(tars)):
            wide = {name: array.astype(np.float32) for name, array in arrays.items()}
            height, width = size["image_height"], size["image_width"]
            yield [wide["features"], wide["class_probs"], wide["boxes"], len(wide["boxes"]), height, width, key,
                   caption(number)]  # fmt: skip

    found = list(rows())
    td.LMDBSerializer.save(td.DataFromList(found, shuffle=False), path)
    Path(f"{path}.json").write_text(json.dumps({row[6]: row[7] for row in found}))


def batches_reader(path: str, checkout: str) -> Pass:
    """Return a pass of the pre-training's loader without its processes; for torch, which it needs, numpy stands in."""
    import numpy as np
    import tensorpack.dataflow as td

    for name in ("torch", "torch.utils", "torch.utils.data", "torch.utils.data.sampler", "torch.distributed"):
        sys.modules[name] = ModuleType(name)
    vars(sys.modules["torch"]).update(tensor=np.asarray, distributed=sys.modules["torch.distributed"])
    vars(sys.modules["torch.utils.data"]).update(Dataset=object)
    vars(sys.modules["torch.utils.data.sampler"]).update(Sampler=object)
    sys.path.insert(0, str(Path(checkout, "vilbert", "datasets")))
    code = importlib.import_module("concept_cap_dataset")
    rows = td.LMDBSerializer.load(path, shuffle=True)
    process = code.BertPreprocessBatch(f"{path}.json", Words(), "bert", 36, 36, len(rows))
    loader = object.__new__(code.ConceptCapLoaderTrain)
    loader.ds = td.BatchData(td.MapData(rows, process), BATCH, remainder=True)
    loader.ds.reset_state()

    def read() -> Iterator[int]:
        for batch in loader:
            yield len(batch[0])

    return read


def public(kind: str, tars: str, path: str, checkout: str) -> Pass:
    """Return a pass of vilbert-multi-task's reader; in the first run the samples are converted into its LMDB."""
    write, reader = {"features": (write_features, features_reader), "batches": (write_batches, batches_reader)}[kind]
    if not Path(path).exists():
        write(tars, path)
    return reader(path, checkout)


def main(side: str, *arguments: str) -> None:
    """Read all samples twice and print the figures of the second pass as JSON."""
    read = {"ours": ours, "public": public}[side](*arguments)
    for _ in read():
        pass
    wall, cpu = time.perf_counter(), time.process_time()
    count = sum(read())
    seconds, used = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"samples": count, "per_s": count / seconds, "per_cpu_s": count / used}))


if __name__ == "__main__":
    main(*sys.argv[1:])
