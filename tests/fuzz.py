"""Flip and cut bytes in every file of a dataset, its stages, its image store and a checkpoint; nothing may stay silent.

`python -m tests.fuzz --flips 2000`, or `make fuzz`. A small world is scraped and built once. Then one byte or more of
one file is changed at a time, and the file's readers run. Each change must be *found* (by `verify`), *refused* (an
error of one line that names a file and no bug) or *harmless*: the same samples, outcomes, digest or weights as before.
The exit code is 1 if any change was none of these.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from corpusloom.pipelines.builds import build
from corpusloom.pipelines.cli.main import explain
from corpusloom.pipelines.datasets.verify import verify
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.store import tombstones
from corpusloom.pipelines.store.dataset.folder import read_run
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.schemas.errors import LoomError
from corpusloom.schemas.guards import parquet_checksums
from corpusloom.trainers.checkpoints.folders import find
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.training.checkpoint import Checkpointer, read_config
from corpusloom.trainers.training.config import load_config
from tests.pipelines.small_web import SmallWeb, small_web
from tests.trainers.training.toy import ToyStream, toy_model

FOUND, REFUSED, HARMLESS = "found", "refused", "harmless"
Check = Callable[[], str]
"""Reads what a changed file belongs to; returns how the change ended, or raises."""


@dataclass
class Report:
    """How the changes ended, and one line for each that ended otherwise."""

    rng_seed: int
    outcomes: Counter[str] = field(default_factory=Counter)
    """Kind of file and outcome -> changes."""
    wrong: list[str] = field(default_factory=list)


def changed(data: bytes, rng: random.Random) -> bytes:
    """Return data with one bit flipped, cut at a random place, or with a stretch of zeros."""
    at, kind = rng.randrange(len(data)), rng.random()
    if kind < 0.7:
        return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
    if kind < 0.9:
        return data[:at]
    length = rng.randint(1, 64)
    return data[:at] + bytes(len(data[at : at + length])) + data[at + length :]


def ended(check: Check) -> tuple[str, str]:
    """Return how a change ended, and the text of the error if it was refused."""
    parquet_checksums._check.cache_clear()  # two changes within a tick of the clock
    try:
        return check(), ""
    except Exception as error:
        shown = explain(error)
        line = str(shown)
        good = isinstance(error, LoomError | OSError) and "\n" not in line and "bug" not in line and shown.where
        return (REFUSED if good else "wrong"), line


def attack(report: Report, kind: str, path: Path, check: Check, rng: random.Random) -> None:
    """Change a file once, run its check, and restore the file."""
    data = path.read_bytes()
    damaged = changed(data, rng)
    if damaged == data:
        return
    path.write_bytes(damaged)
    try:
        outcome, text = ended(check)
    finally:
        path.write_bytes(data)
    if outcome in (FOUND, REFUSED, HARMLESS):
        report.outcomes[f"{kind}: {outcome}"] += 1
        return
    place = next((at for at, (a, b) in enumerate(zip(data, damaged, strict=False)) if a != b), len(damaged))
    report.wrong.append(f"{kind}: {path.name} at byte {place} of {len(data)}: {outcome} {text}")


def samples_of(dataset: str) -> tuple[dict[str, object], int]:
    """Return the samples of a dataset by key, and the number of those that were skipped."""
    stream = StreamingDataset(dataset, rank=0, world_size=1)
    found = {sample.key: sample for sample in stream}
    stream.close()
    return found, sum(stream.skipped.values())


def dataset_check(dataset: str) -> Check:
    """Return the check of a dataset's files: what verify finds, and that training sees the same samples or counts them.

    Its report.html is written by `loom stats` and belongs to nobody's promise.
    """
    whole, _ = samples_of(dataset)

    def check() -> str:
        damages = list(verify(dataset))
        try:
            samples, skipped = samples_of(dataset)
        except LoomError:
            samples, skipped = {}, len(whole)
        if any(samples[key] != whole[key] for key in samples) or len(samples) + skipped != len(whole):
            return "silent: training sees other samples"
        read_run(dataset)
        if damages:
            return FOUND
        return HARMLESS if len(samples) == len(whole) else "silent: verify finds nothing"

    return check


def store_check(folder: str) -> Check:
    """Return the check of an image store: every outcome and every kept image is as before."""

    def content() -> tuple[list[object], list[bytes]]:
        store = ImageStore(folder)
        rows = list(store.index().rows())
        images = [store.read(row) for row in rows if row.outcome == "kept"]
        facts = store.facts()
        stones = tombstones.read(folder)
        return [stones, *rows, *(facts.get(row.sha256) for row in rows if row.sha256)], images

    whole = content()
    return lambda: HARMLESS if content() == whole else "silent: other outcomes"


def stage_check(web: SmallWeb, name: str) -> Check:
    """Return the check of a stage's files: a build that writes the shards again has the same digest, or is refused."""
    digest = build.build(web.config("align", name), Reporter(quiet=True)).manifest.digest  # type: ignore[union-attr]

    def check() -> str:
        copy = web.folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(web.folder / "work", copy / "work")
        for stage in (copy / "work" / "stages").glob("shards-*"):
            shutil.rmtree(stage)
        config = web.config("align", name, work=str(copy / "work"), out=str(copy / "out"))
        report = build.build(config, Reporter(quiet=True))
        assert report.manifest is not None
        return HARMLESS if report.manifest.digest == digest else "silent: another digest"

    return check


def checkpoint_check(folder: Path) -> Check:
    """Write a checkpoint; return the check of its files: it is restored as it was, or refused."""
    model, stream = toy_model(), ToyStream()
    optimizer = torch.optim.AdamW(model.parameters())
    model(next(stream)["x"]).sum().backward()
    optimizer.step()
    Checkpointer(str(folder), config=load_config("clip-tiny")).save(7, model, optimizer, stream, wait=True)

    def restored() -> list[object]:
        other, place = toy_model(), ToyStream()
        fresh = torch.optim.AdamW(other.parameters())
        step = Checkpointer(str(folder)).restore(other, fresh, place)
        states = [{k: v.tolist() for k, v in fresh.state[part].items()} for part in other.parameters()]
        weights = [value.tolist() for value in other.state_dict().values()]
        return [step, place.position, weights, states, read_config(find(str(folder)))]

    whole = restored()
    return lambda: HARMLESS if restored() == whole else "silent: another state"


def files_of(folder: Path) -> list[Path]:
    """Return the files of a folder that hold bytes, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)


def targets(web: SmallWeb) -> Iterator[tuple[str, float, list[Path], Check]]:
    """Yield each kind of file, its share of the changes, its files and their check."""
    web.scrape()
    tombstones.write(str(web.folder / "store"), tombstones.Tombstones(keys=frozenset({"f" * 32})))
    for recipe in ("m3w", "align"):
        web.build(recipe, recipe)
        yield f"dataset {recipe}", 0.25, files_of(web.folder / recipe), dataset_check(str(web.folder / recipe))
    yield "store", 0.25, files_of(web.folder / "store"), store_check(str(web.folder / "store"))
    checkpoint = web.folder / "checkpoints"
    check = checkpoint_check(checkpoint)
    yield "checkpoint", 0.15, files_of(checkpoint), check
    stages = [path for path in files_of(web.folder / "work" / "stages") if "shards-" not in str(path)]
    yield "stage", 0.1, stages, stage_check(web, "align")


def fuzz(flips: int, rng_seed: int) -> Report:
    """Change files `flips` times and return how that ended."""
    report, rng = Report(rng_seed), random.Random(rng_seed)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, small_web(Path(folder)) as web:
        for kind, share, files, check in targets(web):
            for _ in range(max(1, round(flips * share))):
                attack(report, kind, rng.choice(files), check, rng)
    return report


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flips", type=int, default=2000)
    parser.add_argument("--rng-seed", type=int, default=0)
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    report = fuzz(options.flips, options.rng_seed)
    for name, count in sorted(report.outcomes.items()):
        print(f"{name:<28} {count:>6,}")
    for line in report.wrong:
        print(f"wrong: {line}")
    if options.report:
        plain = {"rng_seed": report.rng_seed, "outcomes": report.outcomes, "wrong": report.wrong}
        options.report.write_text(json.dumps(plain, indent=1))
    sys.exit(1 if report.wrong else 0)


if __name__ == "__main__":
    main()
