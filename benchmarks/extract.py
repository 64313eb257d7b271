"""Extraction side by side with peers: `python -m benchmarks.extract --wcxb PATH [--peer-python P] ...`.

Prints word-level F1 per page type, and pages per CPU second as a ratio to each peer on the same pages in the same run.
Ours is measured with `--folds DIR` (weights of `train_block_classifier --folds-out DIR`) on domains that the classifier
did not see; without it the shipped weights are used, which were trained on these very pages, and the table says so.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from benchmarks.wcxb import TYPES, ReferencePage, by_type, fold_of, pages, tokens, word_f1
from pipelines.extract.blocks import ExtractConfig, Extracted
from pipelines.extract.extractor import extract

_PEER = Path(__file__).with_name("extract_peer.py")


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkConfig:
    """What is measured against what."""

    wcxb: Path | None = None
    """Folder of WCXB's development split: html/ and ground-truth/."""
    folds: Path | None = None
    """Folder of cross-validation weights, 0.npz and on."""
    peer_python: str = ""
    """Python of an environment with trafilatura, resiliparse, selectolax<0.4 and beautifulsoup4."""
    obelics: str = ""
    """Path of a checkout of huggingface/OBELICS."""
    every: int = 1
    """Take every n-th page."""
    peer_every: int = 10
    """Of those, show every n-th to the peers; ratios and their F1 are over the same pages."""
    worst: int = 10
    """Pages with the lowest F1 to list."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One page by one extractor."""

    page: ReferencePage
    seconds: float
    f1: float
    note: str


def ours(chosen: Sequence[ReferencePage], config: BenchmarkConfig) -> list[Outcome]:
    """Extract pages in this process; each page's domain decides the fold's weights."""
    count = len(list(config.folds.glob("*.npz"))) if config.folds else 0
    base = ExtractConfig()
    found = []
    for page in chosen:
        weights = str(config.folds / f"{fold_of(page.domain, count)}.npz") if config.folds else ""
        start = time.process_time()
        result = extract(page.html, page.url, config=replace(base, weights=weights))
        seconds = time.process_time() - start
        blocks = result.blocks if isinstance(result, Extracted) else ()
        words = tokens("\n".join(block.text for block in blocks if block.text))
        note = f"{len(words)} words of {len(tokens(page.text))}" if blocks else str(result)[:80]
        found.append(Outcome(page, seconds, word_f1(words, tokens(page.text)), note))
    return found


def peer(name: str, chosen: Sequence[ReferencePage], config: BenchmarkConfig) -> list[Outcome]:
    """Extract pages by a peer in its own process and environment."""
    assert config.wcxb is not None
    paths = "\n".join(str(config.wcxb / "html" / f"{page.name}.html") for page in chosen)
    command = [config.peer_python, str(_PEER), name, config.obelics]
    lines = subprocess.run(command, input=paths, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [json.loads(line) for line in lines if line.startswith('{"seconds"')]
    return [
        Outcome(page, row["seconds"], word_f1(tokens(row["text"]), tokens(page.text)), "")
        for page, row in zip(chosen, rows, strict=True)
    ]


def report(name: str, outcomes: Sequence[Outcome]) -> None:
    """Print one line of the table: F1 a type and all, pages per CPU second."""
    means = by_type([(item.page.kind, item.f1) for item in outcomes])
    speed = len(outcomes) / max(sum(item.seconds for item in outcomes), 1e-9)
    columns = "  ".join(f"{means.get(kind, float('nan')):.3f}" for kind in (*TYPES, "all"))
    print(f"{name:<24}{len(outcomes):>6}  {columns}  {speed:>8.1f}")


def main(config: BenchmarkConfig) -> int:
    """Print both tables, or say what is not measured."""
    if config.wcxb is None:
        print("not measured: pass --wcxb PATH (WCXB's development split)")
        return 0
    chosen = list(pages(config.wcxb))[:: config.every]
    print(f"{'word F1':<24}{'pages':>6}  " + "  ".join(f"{kind[:5]:>5}" for kind in (*TYPES, "all")) + "   pages/s CPU")
    outcomes = ours(chosen, config)
    report("ours" if config.folds else "ours (trained on these)", outcomes)
    shared = chosen[:: config.peer_every]
    if config.peer_python:
        again = ours(shared, config)
        report("ours, pages of the peers", again)
        own = sum(item.seconds for item in again)
        for name in ["resiliparse", "trafilatura", *(["obelics"] if config.obelics else [])]:
            theirs = peer(name, shared, config)
            report(name, theirs)
            print(f"{'':<24}ours is {sum(item.seconds for item in theirs) / own:.1f} times as fast as {name}")
    else:
        print("peers not measured: pass --peer-python PYTHON")
    for item in sorted(outcomes, key=lambda item: item.f1)[: config.worst]:
        print(f"worst {item.f1:.3f} {item.page.kind:<14}{item.page.name} {item.page.domain}: {item.note}")
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(BenchmarkConfig)))
