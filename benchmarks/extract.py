"""Compares extraction with other extractors: `python -m benchmarks.extract --wcxb PATH [--peer-python P] ...`.

Prints word-level F1 per page type, and pages per CPU second as a ratio to each peer on the same pages in the same run.
Ours is measured with `--folds DIR` (weights of `train_block_classifier --folds-out DIR`) on domains that the classifier
did not see; without it the shipped weights are used, which were trained on these very pages, and the table says so.
The second table is of images: recall and precision of 45 labelled articles (`image_labels.py`), and the order of images
and texts; the rules that choose images were written while looking at these pages.

`extract_parts.py` measures the time of each part and lists the speed-ups that were tried.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from benchmarks.image_labels import ImageScores, Item, LabelledPage, read_labels, score
from benchmarks.wcxb import TYPES, ReferencePage, by_type, fold_of, pages, tokens, word_f1
from corpusloom.pipelines.engine.worker_pool import relax_gc
from corpusloom.pipelines.extract.extractor import extract
from corpusloom.pipelines.extract.reading.types import ExtractConfig, Extracted

_PEER = Path(__file__).with_name("extract_peer.py")


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkConfig:
    """Inputs of the comparison: pages, weights, and environments of the peers."""

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
    """Give the peers every n-th of these pages; ratios and their F1 are over the same pages."""
    worst: int = 10
    """Pages with the lowest F1 to list."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of one extractor on one page."""

    page: ReferencePage
    seconds: float
    f1: float
    note: str
    items: tuple[Item, ...] = ()
    """Texts and images in reading order; for a peer only the images."""


def ours(page: ReferencePage, config: BenchmarkConfig, folds: int) -> Outcome:
    """Extract a page in this process, with the weights of the fold that its domain belongs to."""
    weights = str(config.folds / f"{fold_of(page.domain, folds)}.npz") if config.folds else ""
    start = time.process_time()
    result = extract(page.html, page.url, config=replace(ExtractConfig(), weights=weights))
    seconds = time.process_time() - start
    blocks = result.blocks if isinstance(result, Extracted) else ()
    words = tokens("\n".join(block.text for block in blocks if block.text))
    note = f"{len(words)} words of {len(tokens(page.text))}" if blocks else str(result)[:80]
    items = tuple(("image", block.image.url) if block.image else ("text", block.text or "") for block in blocks)
    return Outcome(page, seconds, word_f1(words, tokens(page.text)), note, items)


class Peer:
    """A peer in its own process and environment; it gets one page at a time, so that load affects all alike."""

    def __init__(self, name: str, config: BenchmarkConfig) -> None:
        self.config = config
        command = [config.peer_python, str(_PEER), name, config.obelics]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1
        )

    def extract(self, page: ReferencePage) -> Outcome:
        """Return the peer's result for a page; other lines that it prints are skipped."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.config.wcxb is not None
        print(self.config.wcxb / "html" / f"{page.name}.html", file=self.process.stdin, flush=True)
        for line in self.process.stdout:
            if line.startswith('{"seconds"'):
                row = json.loads(line)
                images = tuple(("image", url) for url in row["images"])
                return Outcome(page, row["seconds"], word_f1(tokens(row["text"]), tokens(page.text)), "", images)
        raise RuntimeError(f"the peer ended on page {page.name}: run {' '.join(map(str, self.process.args))}")


def report(name: str, outcomes: Sequence[Outcome]) -> None:
    """Print one line of the table: F1 per page type and over all pages, pages per CPU second."""
    means = by_type([(item.page.kind, item.f1) for item in outcomes])
    speed = len(outcomes) / max(sum(item.seconds for item in outcomes), 1e-9)
    columns = "  ".join(f"{means.get(kind, float('nan')):.3f}" for kind in (*TYPES, "all"))
    print(f"{name:<24}{len(outcomes):>6}  {columns}  {speed:>8.1f}")


def report_images(name: str, outcomes: Sequence[Outcome], labels: dict[str, LabelledPage]) -> None:
    """Print one line of the table of images, over the labelled pages among the outcomes."""
    scores = ImageScores()
    found = [item for item in outcomes if item.page.name in labels]
    for item in found:
        score(labels[item.page.name], item.items, scores)
    order = f"{scores.order:.4f}" if scores.pairs else "-"
    print(f"{name:<24}{len(found):>6}  {scores.labelled:>6}  {scores.recall:.3f}  {scores.precision:.3f}  {order:>7}")


def main(config: BenchmarkConfig) -> int:
    """Print both tables, or name the flag that a table needs."""
    if config.wcxb is None:
        print("not measured: pass --wcxb PATH (WCXB's development split)")
        return 0
    labels = read_labels()
    chosen = [page for at, page in enumerate(pages(config.wcxb)) if at % config.every == 0 or page.name in labels]
    print(f"{'word F1':<24}{'pages':>6}  " + "  ".join(f"{kind[:5]:>5}" for kind in (*TYPES, "all")) + "   pages/s CPU")
    relax_gc()
    count = len(list(config.folds.glob("*.npz"))) if config.folds else 0
    names = ["resiliparse", "trafilatura", *(["obelics"] if config.obelics else [])] if config.peer_python else []
    peers = {name: Peer(name, config) for name in names}
    ours(chosen[0], config, count)  # reads the weights
    outcomes: list[Outcome] = []
    theirs: dict[str, list[Outcome]] = {name: [] for name in names}
    beside: list[Outcome] = []
    for place, page in enumerate(chosen):
        outcomes.append(ours(page, config, count))
        if peers and (place % config.peer_every == 0 or page.name in labels):
            beside.append(outcomes[-1])
            for name, peer in peers.items():
                theirs[name].append(peer.extract(page))
    report("ours" if config.folds else "ours (trained on these)", outcomes)
    if beside:
        report("ours, pages of the peers", beside)
    for name, found in theirs.items():
        report(name, found)
        ratio = sum(item.seconds for item in found) / sum(item.seconds for item in beside)
        print(f"{'':<24}ours is {ratio:.1f} times as fast as {name}")
    print(f"{'images':<24}{'pages':>6}  {'images':>6}  {'rec.':>5}  {'prec.':>5}  {'order':>7}")
    for name, found in {"ours": outcomes, **theirs}.items():
        report_images(name, found, labels)
    if not peers:
        print("peers not measured: pass --peer-python PYTHON")
    for item in sorted(outcomes, key=lambda item: item.f1)[: config.worst]:
        print(f"worst {item.f1:.3f} {item.page.kind:<14}{item.page.name} {item.page.domain}: {item.note}")
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(BenchmarkConfig)))
