"""Compares the loader's throughput with webdataset, mosaicml-streaming, litdata and energon on the same samples.

    python benchmarks/stream.py [raw decoded resume share pages http | resize] [--peers mosaic litdata energon]
                                [--tars 8] [--samples 500] [--rounds 3] [--folder DIR]

Every run is its own process. The loaders alternate in rounds, so that other load affects all of them; medians and their
ratios are printed. All loaders decode and resize with the same functions. CPU time is that of the process and its
children; memory is the PSS of the process tree minus the PSS after the imports.
"""

import argparse
import glob
import hashlib
import io
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import stream_measures as measures
from benchmarks.stream_measures import BATCH, ROOT, SIDE, Figures

# --- material ---


def pictures() -> list[bytes]:
    """Return 64 JPEGs of about 36 KB (400 x 300, grain over shapes)."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(64):
        coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize((400, 300), Image.BICUBIC)
        noisy = np.asarray(coarse).astype(np.int16) + rng.normal(0, 12, (300, 400, 1)).astype(np.int16)
        sink = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(sink, "JPEG", quality=86)
        made.append(sink.getvalue())
    return made


def make_material(folder: str, tars: int, samples: int) -> None:
    """Write tars of pairs."""
    from tests.trainers.stream.datasets import make_dataset

    images, rows = pictures(), []
    for number in range(tars * samples):
        key = hashlib.md5(str(number).encode()).hexdigest()
        info = json.dumps({"n": number}).encode()
        rows.append((key, {"jpg": images[number % 64], "txt": f"picture {number}".encode(), "json": info}))
    make_dataset(folder, "pairs", rows, shards=tars)


def make_pages(folder: str, tars: int, samples: int) -> None:
    """Write tars of pages: five texts with four images between them."""
    from tests.trainers.stream.datasets import make_dataset

    images, rows = pictures(), []
    for number in range(tars * samples):
        key = hashlib.md5(f"page {number}".encode()).hexdigest()
        names = [f"{key}.{at:03d}.jpg" for at in range(4)]
        texts, places = ["words " * 12], [None]
        for name in names:
            texts, places = [*texts, None, "words " * 12], [*places, name, None]
        fields = {f"{at:03d}.jpg": images[(number + at) % 64] for at in range(4)}
        rows.append((key, {**fields, "json": json.dumps({"texts": texts, "images": places}).encode()}))
    make_dataset(folder, "interleaved", rows, shards=tars)


# --- what is measured, each run in its own process ---


def ours_raw(folder: str, count: int) -> Figures:
    return measures.raw(open_stream(folder).raw(), count)


def webdataset_raw(folder: str, count: int) -> Figures:
    import webdataset

    return measures.raw(iter(webdataset.WebDataset(tars_of(folder), shardshuffle=False)), count)


def open_stream(folder: Any, **options: Any) -> Any:
    from corpusloom.trainers.stream.dataset import StreamingDataset

    return StreamingDataset(folder, rank=0, world_size=1, **options)


def tars_of(folder: str) -> list[str]:
    return sorted(glob.glob(f"{folder}/*.tar"))


def ours_square(sample: Any, rng: Any) -> dict[str, Any]:
    return {"image": measures.square(sample.image)}


def start() -> tuple[float, float]:
    """Import what every loader needs; return memory and time before the loader is made."""
    import torch

    from corpusloom.trainers.stream.dataset import StreamingDataset  # noqa: F401

    torch.set_num_threads(1)
    measures.decoding()
    return measures.memory(), time.perf_counter()


def ours_decoded(folder: str, count: int) -> Figures:
    before, started = start()
    return measures.batches(open_stream(folder).batches(BATCH, transform=ours_square), count, before, started)


def ours_processes(folder: str, count: int) -> Figures:
    before, started = start()
    batches = open_stream(folder).batches(BATCH, transform=ours_square, processes=True)
    return measures.batches(batches, count, before, started)


def webdataset_square(sample: dict[str, Any]) -> dict[str, Any]:
    import torch

    return {"image": torch.from_numpy(measures.square(sample["jpg"])), "key": sample["__key__"]}


def webdataset_loader(folder: str, transform: Callable[[Any], Any], batch: int) -> Any:
    import torch
    import webdataset

    tars = tars_of(folder)
    samples = webdataset.WebDataset(tars, shardshuffle=len(tars), seed=0).shuffle(1000).map(transform)
    return torch.utils.data.DataLoader(samples, batch_size=batch, num_workers=2)


def webdataset_decoded(folder: str, count: int) -> Figures:
    before, started = start()
    return measures.batches(iter(webdataset_loader(folder, webdataset_square, BATCH)), count, before, started)


def ours_resume(folder: str, count: int) -> Figures:
    start()
    whole = [key for key, _ in open_stream(folder).raw()]
    at = len(whole) * 9 // 10
    state = {**open_stream(folder).state_dict(), "position": at, "draws": {"": at}}
    started = time.perf_counter()
    resumed = open_stream(folder)
    resumed.load_state_dict(state)
    batch = next(resumed.batches(BATCH, transform=ours_square))
    return {"first_s": time.perf_counter() - started, "exact": float(batch["keys"] == whole[at : at + BATCH])}


def webdataset_resume(folder: str, count: int) -> Figures:
    """Replay 90 % of the epoch: webdataset cannot resume."""
    import webdataset

    start()
    started = time.perf_counter()
    items = iter(webdataset.WebDataset(tars_of(folder), shardshuffle=False))
    for _ in islice(items, count * 9 // 10):
        pass
    for sample in islice(items, BATCH):
        webdataset_square(sample)
    return {"first_s": time.perf_counter() - started}


def ours_share(folder: str, count: int) -> Figures:
    from corpusloom.trainers.stream.order.mixing import Mixture

    mixture = Mixture(datasets={"a": folder, "b": f"{folder}-pages"}, weights={"a": 0.7, "b": 0.3})
    stream = open_stream(mixture)
    places = stream.order.places(np.arange(20_000))
    return {"error": measures.share_error((place.dataset for place in places), 0.7, 20_000)}


def webdataset_share(folder: str, count: int) -> Figures:
    import webdataset

    streams = [itertools.repeat(0), itertools.repeat(1)]
    mixed = iter(webdataset.RandomMix(streams, [0.7, 0.3]))
    return {"error": measures.share_error(mixed, 0.7, 20_000)}


def window(texts: Any, images: Any) -> dict[str, Any]:
    """Return four images of 224 x 224 and 256 tokens; a token is a byte of the text."""
    pictures = [measures.square(image) for image in images if image is not None][:4]
    tokens = np.frombuffer(" ".join(text for text in texts if text).encode().ljust(256)[:256], np.uint8)
    return {"images": pictures, "tokens": tokens.astype(np.int64)}


def ours_window(sample: Any, rng: Any) -> dict[str, Any]:
    return window(sample.texts, sample.images)


def webdataset_window(sample: dict[str, Any]) -> dict[str, Any]:
    info = json.loads(sample["json"])
    images = [None if name is None else sample[name.partition(".")[2]] for name in info["images"]]
    made = window(info["texts"], images)
    return {**made, "images": np.stack(made["images"])}


def ours_pages(folder: str, count: int) -> Figures:
    before, started = start()
    batches = open_stream(f"{folder}-pages").batches(BATCH // 4, transform=ours_window)
    return measures.batches(batches, count, before, started)


def ours_pages_processes(folder: str, count: int) -> Figures:
    before, started = start()
    batches = open_stream(f"{folder}-pages").batches(BATCH // 4, transform=ours_window, processes=True)
    return measures.batches(batches, count, before, started)


def webdataset_pages(folder: str, count: int) -> Figures:
    before, started = start()
    loader = webdataset_loader(f"{folder}-pages", webdataset_window, BATCH // 4)
    return measures.batches(iter(loader), count, before, started)


def ours_http(folder: str, count: int) -> Figures:
    """Decode from nginx on loopback, with 20 ms added to every request and a cache that is empty at first."""
    from benchmarks.nginx import free_port, serve
    from corpusloom.trainers.stream.reading.cache import CacheConfig
    from corpusloom.trainers.stream.reading.remote_files import RemoteFile

    call = RemoteFile._call

    def slow(self: Any, name: str, options: Any) -> Any:
        time.sleep(0.02)
        return call(self, name, options)

    RemoteFile._call = slow  # type: ignore[method-assign]
    before, started = start()
    port = free_port()
    with tempfile.TemporaryDirectory() as scratch, serve({"127.0.0.1": Path(folder)}, port):
        stream = open_stream(f"http://127.0.0.1:{port}", cache=CacheConfig(folder=f"{scratch}/cache"))
        return measures.batches(stream.batches(BATCH, transform=ours_square), count, before, started)


MEASURES: dict[str, tuple[Callable[[str, int], Figures], ...]] = {
    "raw": (ours_raw, webdataset_raw),
    "decoded": (ours_decoded, webdataset_decoded, ours_processes),
    "resume": (ours_resume, webdataset_resume),
    "share": (ours_share, webdataset_share),
    "pages": (ours_pages, webdataset_pages, ours_pages_processes),
    "http": (ours_http, ours_decoded),
}
PEERS = {
    "raw": ("mosaic", "litdata"),
    "decoded": ("mosaic", "litdata", "energon"),
    "inprocess": ("litdata",),
    "resume": ("mosaic", "litdata"),
}
"""Measures of `stream_peers.py`; inprocess is litdata's decoded without workers."""


# --- the driver ---


def run_one(name: str, folder: str, count: int) -> Figures:
    """Run one measure of ours or webdataset's in a process of its own."""
    return _run([sys.executable, __file__, "--one", name, "--folder", folder, "--samples", str(count)])


def run_peer(peer: str, measure: str, folder: str, count: int) -> Figures:
    """Run one measure of a peer in its own environment, which is made if it does not exist."""
    from benchmarks.stream_peers import PACKAGES
    from tests.interop.environments import python_of

    script = str(ROOT / "benchmarks" / "stream_peers.py")
    python = python_of(f"{peer}-loader", PACKAGES[peer])
    return _run([python, script, peer, measure, "--folder", folder, "--samples", str(count)])


def _run(command: list[str]) -> Figures:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.stderr.write(f"{' '.join(command[1:4])}: exit {done.returncode}\n{done.stderr[-2000:]}\n")
        return {}
    return json.loads(done.stdout.splitlines()[-1])


def compare(folder: str, count: int, rounds: int, only: list[str], peers: list[str]) -> None:
    """Print the medians of each figure over interleaved rounds, and the ratios to the first loader."""
    for measure in only or MEASURES:
        runs: dict[str, Callable[[], Figures]] = {
            function.__name__: partial(run_one, function.__name__, folder, count) for function in MEASURES[measure]
        }
        asked = [measure, "inprocess"] if measure == "decoded" else [measure]
        for kind in asked:
            for peer in peers:
                if peer in PEERS.get(kind, ()):
                    runs[f"{peer}_{kind}"] = partial(run_peer, peer, kind, folder, count)
        results: dict[str, list[Figures]] = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                results[name].append(run())
        report(measure, results)


def report(measure: str, results: dict[str, list[Figures]]) -> None:
    """Print one line per figure and loader; a ratio above 1 means that the first loader is better."""
    ours = next(iter(results))
    for figure in results[ours][0]:
        medians = {
            name: statistics.median(found)
            for name, runs in results.items()
            if (found := [run[figure] for run in runs if figure in run])
        }
        mine = medians[ours]
        for name, value in medians.items():
            ratio = mine / value if figure == "per_s" else value / mine if mine else float("nan")
            note = "" if name == ours else f"{ratio:7.2f} x"
            print(f"{measure:8s} {figure:10s} {name:20s} {value:12.4f} {note}", flush=True)


def adjacency(folder: str) -> None:
    """Print the share of neighbouring samples in the order that come from one shard."""
    stream = open_stream(folder)
    shards = np.asarray([place.shard for place in stream.order.places(np.arange(stream.epoch_samples))])
    print(f"neighbours of one shard: {(shards[1:] == shards[:-1]).mean():.3f} of {len(shards)}")


def resize_quality() -> None:
    """Print PSNR against Pillow's BILINEAR, and milliseconds, of three ways to resize to 224 x 224."""
    import cv2

    from corpusloom.trainers.stream.samples.image_ops import resize
    from tests.trainers.stream.samples.test_image_ops import detailed, psnr

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
    parser.add_argument("what", nargs="*", help=f"{' '.join(MEASURES)} resize; all but resize when none is named")
    parser.add_argument("--tars", type=int, default=8, help="a power of two")
    parser.add_argument("--samples", type=int, default=500, help="samples per tar")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", default="", help="folder of the samples, kept for the next run")
    parser.add_argument("--peers", nargs="*", default=[], help="mosaic litdata energon; each gets an environment")
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.one:
        functions = {function.__name__: function for pair in MEASURES.values() for function in pair}
        print(json.dumps(functions[flags.one](flags.folder, flags.samples)))
        return
    if flags.what == ["resize"]:
        resize_quality()
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = flags.folder or f"{scratch}/data"
        if not Path(folder, "manifest.json").exists():
            make_material(folder, flags.tars, flags.samples)
        if not Path(f"{folder}-pages", "manifest.json").exists():
            make_pages(f"{folder}-pages", flags.tars, flags.samples // 4)
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        adjacency(folder)
        compare(folder, flags.tars * flags.samples, flags.rounds, flags.what, flags.peers)


if __name__ == "__main__":
    main()
