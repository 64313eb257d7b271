"""The loader beside webdataset on the same tars: raw bytes, decoded batches, resume, first batch, memory.

    python benchmarks/stream.py [all|resize] [--tars 8] [--samples 500] [--rounds 3] [--folder DIR]

Every measure runs in a process of its own, in rounds that take turns, so that a busy machine hits all alike; medians
are printed, and ratios, which hold where absolute figures do not.
"""

import argparse
import glob
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
BATCH, SIDE = 64, 224


# --- material ---


def make_material(folder: str, tars: int, samples: int) -> None:
    """Write tars of JPEGs of about 36 KB (400 x 300, grain over shapes) as a dataset."""
    import hashlib
    import io

    import numpy as np
    from PIL import Image

    from tests.trainers.stream.datasets import make_dataset

    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(64):
        coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize((400, 300), Image.BICUBIC)
        noisy = np.asarray(coarse).astype(np.int16) + rng.normal(0, 12, (300, 400, 1)).astype(np.int16)
        sink = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(sink, "JPEG", quality=86)
        pictures.append(sink.getvalue())
    rows = []
    for number in range(tars * samples):
        key = hashlib.md5(str(number).encode()).hexdigest()
        info = json.dumps({"n": number}).encode()
        rows.append((key, {"jpg": pictures[number % 64], "txt": f"picture {number}".encode(), "json": info}))
    make_dataset(folder, "pairs", rows, shards=tars)


# --- what is measured, each run in its own process ---


def memory() -> float:
    """Return the PSS of this process and its children in MB."""
    pids = [os.getpid()]
    for pid in pids:
        for task in glob.glob(f"/proc/{pid}/task/*/children"):
            pids += [int(child) for child in Path(task).read_text().split()]
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def ours_raw(folder: str, count: int) -> dict[str, float]:
    from trainers.stream import StreamingDataset

    return timed(StreamingDataset(folder, rank=0, world_size=1).raw(), count)


def webdataset_raw(folder: str, count: int) -> dict[str, float]:
    import webdataset

    return timed(iter(webdataset.WebDataset(sorted(glob.glob(f"{folder}/*.tar")), shardshuffle=False)), count)


def timed(items: Any, count: int) -> dict[str, float]:
    next(items)
    wall, cpu = time.perf_counter(), time.process_time()
    taken = sum(1 for _ in islice(items, count - 1))
    return {"cpu_ms": 1000 * (time.process_time() - cpu) / taken, "per_s": taken / (time.perf_counter() - wall)}


def ours_decoded(folder: str, count: int) -> dict[str, float]:
    import torch  # noqa: F401

    from trainers.stream import StreamingDataset
    from trainers.stream.bench import decode_square

    before = memory()
    started = time.perf_counter()
    stream = StreamingDataset(folder, rank=0, world_size=1)
    return batches(stream.batches(BATCH, transform=decode_square, workers=2), count, before, started)


def webdataset_square(sample: dict[str, Any]) -> dict[str, Any]:
    import torch

    from trainers.stream.decoding import centre_crop, decode_near, resize_short

    image = centre_crop(resize_short(decode_near(sample["jpg"], SIDE), SIDE), SIDE)
    return {"image": torch.from_numpy(image.copy()), "key": sample["__key__"]}


def webdataset_decoded(folder: str, count: int) -> dict[str, float]:
    import torch
    import webdataset

    import trainers.stream.decoding  # noqa: F401

    torch.set_num_threads(1)
    before = memory()
    started = time.perf_counter()
    tars = sorted(glob.glob(f"{folder}/*.tar"))
    samples = webdataset.WebDataset(tars, shardshuffle=len(tars), seed=0).shuffle(1000).map(webdataset_square)
    loader = torch.utils.data.DataLoader(samples, batch_size=BATCH, num_workers=2)
    return batches(iter(loader), count, before, started)


def batches(iterator: Any, count: int, before: float, started: float) -> dict[str, float]:
    next(iterator)
    first = time.perf_counter() - started
    wall, cpu = time.perf_counter(), sum(os.times()[:4])
    taken, most = 0, 0.0
    for batch in islice(iterator, max(count // BATCH - 1, 1)):
        taken += len(batch["image"])
        if taken % (BATCH * 8) == 0:
            most = max(most, memory() - before)
    seconds = time.perf_counter() - wall
    figures = {"first_s": first, "per_s": taken / seconds, "memory_mb": most}
    del iterator
    figures["cpu_ms"] = 1000 * (sum(os.times()[:4]) - cpu) / max(taken, 1)
    return figures


def ours_resume(folder: str, count: int) -> dict[str, float]:
    import torch  # noqa: F401

    from trainers.stream import StreamingDataset
    from trainers.stream.bench import decode_square

    whole = [key for key, _ in StreamingDataset(folder, rank=0, world_size=1).raw()]
    stream = StreamingDataset(folder, rank=0, world_size=1)
    at = len(whole) * 9 // 10
    state = {**stream.state_dict(), "position": at, "draws": {"": at}}
    started = time.perf_counter()
    resumed = StreamingDataset(folder, rank=0, world_size=1)
    resumed.load_state_dict(state)
    batch = next(resumed.batches(BATCH, transform=decode_square, workers=2))
    seconds = time.perf_counter() - started
    return {"first_s": seconds, "exact": float(batch["keys"] == whole[at : at + BATCH])}


def webdataset_resume(folder: str, count: int) -> dict[str, float]:
    """Replay to 90 % of the epoch, which is all that can be done there."""
    import webdataset

    import trainers.stream.decoding  # noqa: F401

    tars = sorted(glob.glob(f"{folder}/*.tar"))
    total = sum(json.loads(Path(folder, "sizes.json").read_text()).values())
    started = time.perf_counter()
    items = iter(webdataset.WebDataset(tars, shardshuffle=len(tars), seed=0).shuffle(1000).map(webdataset_square))
    for _ in islice(iter(webdataset.WebDataset(tars, shardshuffle=False)), total * 9 // 10):
        pass
    list(islice(items, BATCH))
    return {"first_s": time.perf_counter() - started, "exact": 0.0}


MEASURES: dict[str, tuple[Callable[..., dict[str, float]], Callable[..., dict[str, float]]]] = {
    "raw": (ours_raw, webdataset_raw),
    "decoded": (ours_decoded, webdataset_decoded),
    "resume": (ours_resume, webdataset_resume),
}


# --- the driver ---


def run_one(name: str, folder: str, count: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", name, "--folder", folder, "--samples", str(count)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def compare(folder: str, count: int, rounds: int) -> None:
    """Print medians of each figure, ours and webdataset's, and their ratio."""
    for measure, pair in MEASURES.items():
        results: dict[str, list[dict[str, float]]] = {function.__name__: [] for function in pair}
        for _ in range(rounds):
            for name, found in results.items():
                found.append(run_one(name, folder, count))
        ours, theirs = results.values()
        for figure in ours[0]:
            a, b = (statistics.median(item[figure] for item in found) for found in (ours, theirs))
            ratio = a / b if figure == "per_s" else b / a if a else float("nan")
            print(f"{measure:9s} {figure:10s} ours {a:10.4f}  webdataset {b:10.4f}  {ratio:6.2f} times better")


def adjacency(folder: str) -> None:
    """Print how often two neighbours of the order are of one shard."""
    import numpy as np

    from trainers.stream import StreamingDataset

    stream = StreamingDataset(folder, rank=0, world_size=1)
    shards = np.asarray([place.shard for place in stream.places(np.arange(stream.epoch_samples))])
    print(f"neighbours of one shard: {(shards[1:] == shards[:-1]).mean():.3f} of {len(shards)}")


def resize_quality() -> None:
    """Print PSNR against Pillow's BILINEAR, and milliseconds, of three ways to shrink to 224 x 224."""
    import cv2
    import numpy as np
    from PIL import Image

    from tests.trainers.stream.test_decoding import detailed, psnr
    from trainers.stream.decoding import resize

    ways: dict[str, Callable[[Any], Any]] = {
        "ours": lambda image: resize(image, SIDE, SIDE),
        "INTER_AREA": lambda image: cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA),
        "INTER_LINEAR": lambda image: cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR),
    }
    for side in (256, 300, 400, 480, 700):
        image = detailed(side, side)
        expected = np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR))
        for name, way in ways.items():
            times = []
            for _ in range(15):
                started = time.perf_counter()
                result = way(image)
                times.append(time.perf_counter() - started)
            print(f"{side} {name:12s} {psnr(result, expected):5.1f} dB {1000 * statistics.median(times):6.3f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", default="all", choices=["all", "resize"])
    parser.add_argument("--tars", type=int, default=8, help="a power of two")
    parser.add_argument("--samples", type=int, default=500, help="samples a tar")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", default="")
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.one:
        functions = {function.__name__: function for pair in MEASURES.values() for function in pair}
        print(json.dumps(functions[flags.one](flags.folder, flags.samples)))
        return
    if flags.what == "resize":
        resize_quality()
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = flags.folder or f"{scratch}/data"
        if not Path(folder, "manifest.json").exists():
            make_material(folder, flags.tars, flags.samples)
        adjacency(folder)
        compare(folder, flags.tars * flags.samples, flags.rounds)


if __name__ == "__main__":
    main()
