"""Runs other loaders on the same samples, each with the Python of its own environment: see `stream.py --peers`.

    PYTHON benchmarks/stream_peers.py PEER MEASURE --folder TARS --samples N

In the first run the samples are converted into a peer's own format; this time is not measured.
"""

import argparse
import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.stream_measures import BATCH, Figures, batches, memory, raw, square
from tests.interop.environments import TORCHVISION

PACKAGES = {
    "mosaic": ["mosaicml-streaming>=0.13", "torch", "numpy", "opencv-python-headless", "simplejpeg"],
    "litdata": ["litdata>=0.2.76", "torch", "opencv-python-headless", "simplejpeg"],
    "energon": ["megatron-energon>=7.4", "torch", "opencv-python-headless", "simplejpeg"],
}


def samples_of(folder: str) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield the samples of our tars."""
    for tar in sorted(Path(folder).glob("*.tar")):
        fields: dict[str, bytes] = {}
        last = ""
        with tarfile.open(tar) as archive:
            for info in archive:
                key, _, field = info.name.partition(".")
                if key != last and fields:
                    yield last, fields
                    fields = {}
                member = archive.extractfile(info)
                fields[field], last = (member.read() if member else b""), key
        yield last, fields


def converted(folder: str, peer: str) -> str:
    """Return the folder of the samples in a peer's format, which is made if it does not exist."""
    place = Path(folder).with_name(f"{Path(folder).name}-{peer}")
    if not (place / "done").exists():
        place.mkdir(exist_ok=True)
        globals()[f"{peer}_write"](folder, str(place / "data"))
        (place / "done").touch()
    return str(place / "data")


# --- mosaicml-streaming ---


def mosaic_write(folder: str, out: str) -> None:
    import streaming

    with streaming.MDSWriter(out=out, columns={"jpg": "bytes", "txt": "bytes", "json": "bytes"}) as writer:
        for _, fields in samples_of(folder):
            writer.write(fields)


def mosaic_stream(place: str, decode: bool) -> Any:
    import streaming
    import torch

    class Decoded(streaming.StreamingDataset):
        def __getitem__(self, at: Any) -> Any:
            sample = super().__getitem__(at)
            return {"image": torch.from_numpy(square(sample["jpg"])), "text": sample["txt"].decode()}

    kind = Decoded if decode else streaming.StreamingDataset
    return kind(local=place, shuffle=True, shuffle_seed=0, batch_size=BATCH)


def mosaic_raw(place: str, count: int) -> Figures:
    return raw(iter(mosaic_stream(place, False)), count)


def mosaic_decoded(place: str, count: int) -> Figures:
    import streaming

    before, started = memory(), time.perf_counter()
    loader = streaming.StreamingDataLoader(mosaic_stream(place, True), batch_size=BATCH, num_workers=2)
    return batches(iter(loader), count, before, started)


def mosaic_resume(place: str, count: int) -> Figures:
    import streaming

    first = streaming.StreamingDataLoader(mosaic_stream(place, True), batch_size=BATCH, num_workers=2)
    state = first.state_dict() or {}
    state |= {"epoch": 0, "sample_in_epoch": count * 9 // 10 // BATCH * BATCH, "num_canonical_nodes": 1,
              "shuffle_seed": 0, "initial_physical_nodes": 1}  # fmt: skip
    del first
    streaming.base.util.clean_stale_shared_memory()
    started = time.perf_counter()
    loader = streaming.StreamingDataLoader(mosaic_stream(place, True), batch_size=BATCH, num_workers=2)
    loader.load_state_dict(state)
    next(iter(loader))
    return {"first_s": time.perf_counter() - started}


# --- litdata ---


def litdata_item(pair: tuple[bytes, bytes]) -> dict[str, bytes]:
    return {"jpg": pair[0], "txt": pair[1]}


def litdata_write(folder: str, out: str) -> None:
    import litdata

    pairs = [(fields["jpg"], fields["txt"]) for _, fields in samples_of(folder)]
    litdata.optimize(litdata_item, pairs, out, chunk_bytes="36MB", num_workers=1, verbose=False)


def litdata_decode(sample: dict[str, bytes]) -> dict[str, Any]:
    import torch

    return {"image": torch.from_numpy(square(sample["jpg"])), "text": bytes(sample["txt"]).decode()}


def litdata_raw(place: str, count: int) -> Figures:
    import litdata

    return raw(iter(litdata.StreamingDataset(place, shuffle=True)), count)


def litdata_loader(place: str, workers: int) -> Any:
    import litdata

    stream = litdata.StreamingDataset(place, shuffle=True, transform=litdata_decode)
    return litdata.StreamingDataLoader(stream, batch_size=BATCH, num_workers=workers)


def litdata_decoded(place: str, count: int) -> Figures:
    import litdata  # noqa: F401

    before, started = memory(), time.perf_counter()
    return batches(iter(litdata_loader(place, 2)), count, before, started)


def litdata_inprocess(place: str, count: int) -> Figures:
    import litdata  # noqa: F401

    before, started = memory(), time.perf_counter()
    return batches(iter(litdata_loader(place, 0)), count, before, started)


def litdata_resume(place: str, count: int) -> Figures:
    loader = litdata_loader(place, 2)
    iterator = iter(loader)
    for _ in range(count * 9 // 10 // BATCH):
        next(iterator)
    state = loader.state_dict()
    started = time.perf_counter()
    again = litdata_loader(place, 2)
    again.load_state_dict(state)
    next(iter(again))
    return {"first_s": time.perf_counter() - started}


# --- megatron-energon ---


def energon_write(folder: str, out: str) -> None:
    Path(out).mkdir(parents=True)
    for tar in Path(folder).glob("*.tar"):
        os.link(tar, Path(out, tar.name))
    program = Path(sys.executable).with_name("energon")
    options = ["--non-interactive", "--split-ratio", "1,0,0", "--sample-type", "CrudeWebdataset"]
    subprocess.run([program, "prepare", *options, out], check=True, stdout=sys.stderr)


def energon_decoded(place: str, count: int) -> Figures:
    import torch
    from megatron import energon

    class Encoder(energon.DefaultTaskEncoder):
        cookers = [energon.Cooker(energon.stateless(lambda sample: sample))]  # noqa: RUF012
        decoder = None

        @energon.stateless
        def encode_sample(self, sample: Any) -> Any:
            return {"image": torch.from_numpy(square(sample["jpg"])), "key": sample["__key__"]}

        def batch(self, samples: Any) -> Any:
            return {"image": torch.stack([sample["image"] for sample in samples])}

    before, started = memory(), time.perf_counter()
    workers = energon.WorkerConfig(rank=0, world_size=1, num_workers=2)
    stream = energon.get_train_dataset(
        place, worker_config=workers, batch_size=BATCH, shuffle_buffer_size=1000, task_encoder=Encoder(),
        max_samples_per_sequence=100,
    )  # fmt: skip
    return batches(iter(energon.get_loader(stream)), count, before, started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=sorted(PACKAGES))
    parser.add_argument("measure")
    parser.add_argument("--folder", required=True)
    parser.add_argument("--samples", type=int, required=True)
    flags = parser.parse_args()
    if flags.peer == "mosaic":
        exec(TORCHVISION, globals())  # in globals(): operators stay declared while the library object exists
    import torch

    torch.set_num_threads(1)
    measure = globals().get(f"{flags.peer}_{flags.measure}")
    place = converted(flags.folder, flags.peer)
    print(json.dumps(measure(place, flags.samples) if measure else {}))


if __name__ == "__main__":
    main()
