"""Measures the CPU milliseconds per page of each part of extraction: `python -m benchmarks.extract_parts --wcxb PATH`.

Changes that were tried, each compared with the version before it on every 12th page (293 kB of HTML on average):

| attempt | before | after | kept |
| --- | --- | --- | --- |
| UTF-8 is checked, not copied; gaps without tags are looked for from behind | 1.1 prepare | 0.4 | yes |
| class words by dictionary, not by 13 expressions (a new name: 7.2 to 2.0 us) | 8.2 walk | 7.4 | yes |
| `nav` and `footer` as one run each (a quarter of all sections) | 15.4 all | 13.5 | yes |
| menus by class words in the same way | 12.7 all | 12.1 | no: 5 %, and such words may name a whole layout |
| marks of all texts counted at once | 2.7 features | 2.1 | yes |
| one network, not two | 1.5 network | 0.8 | yes |
| proposals for an image one by one; paths from the root without urllib | 7.1 walk | 6.9 | yes |
| srcsets as nearly all are written: by splitting; `//host/` without urllib | .65 `choose` | .40 | yes |
| words of an image's name looked up before its expressions, boxes and addresses remembered | .61 images | .40 | yes |
| scripts, styles, SVG and comments cut out before parsing (43 % of the bytes) | 5.83 walk | 5.74 + .26 to cut | no |
| white space before block elements cut out before parsing (60 % of all text events) | 5.69 walk | 5.79 + .40 | no |
| the cycle collector off altogether | 10.4 all | 10.1 | no: within the noise |
| resiliparse: main content natively, text only | 10.5 all | 3.5 | no: F1 .80, articles .90 |

`parse` is libxml2 with handlers that do nothing: the lower bound for a walk over its events in Python. About a fifth of
the time is spent there, two fifths in about 4,600 calls per page of the walk's handlers at well under a microsecond
each, and a third in features and network; no hot spot is left. Lexbor's tree alone (0.8 ms) is faster than libxml2's
events, but one Python object per node costs more than one call per node. Twelve times the speed of OBELICS would be 3
ms per page.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import tyro
from lxml import etree

from benchmarks.wcxb import ReferencePage, pages
from corpusloom.pipelines.engine.worker_pool import relax_gc
from corpusloom.pipelines.extract import extractor
from corpusloom.pipelines.extract.content import assembly, classifier, features, image_choice, selection
from corpusloom.pipelines.extract.reading import source
from corpusloom.pipelines.extract.reading.fast_walk.walk import fast_walk
from corpusloom.pipelines.extract.reading.types import ExtractConfig

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class PartsConfig:
    """Pages to measure."""

    wcxb: Path
    """Folder of WCXB's development split."""
    every: int = 12
    """Take every n-th page."""


class _Nothing:
    """A parser target that does nothing."""

    def start(self, tag: str, attributes: dict) -> None: ...

    def end(self, tag: str) -> None: ...

    def data(self, text: str) -> None: ...

    def close(self) -> None: ...


def measure(page: ReferencePage, seconds: Counter[str]) -> None:
    """Add the CPU seconds of each part of one page's extraction; `all` is the whole, measured by itself."""

    def timed(name: str, run: Callable[[], T]) -> T:
        start = time.process_time()
        result = run()
        seconds[name] += time.process_time() - start  # type: ignore[assignment]
        return result

    config = ExtractConfig()
    prepared = timed("prepare", lambda: source.prepare(page.html, None, config))[0]
    parser = etree.HTMLParser(target=_Nothing(), encoding="utf-8", huge_tree=True)
    timed("parse", lambda: etree.fromstring(prepared, parser))
    raw = timed("walk", lambda: fast_walk(prepared, page.url, config))
    runs = assembly.join_rows(raw)
    if runs:
        selection.clear_layout_flags(runs)
        seen = timed("features", lambda: features.features_of(raw, runs))
        found = timed("network", lambda: classifier.probabilities(seen, classifier.networks("")))
        lengths = np.array([item.text.count(" ") + 1 if item.text else 0 for item in runs], np.float32)
        reasons = [None if keep else "no" for keep in classifier.kept(found, lengths).tolist()]
        timed("images", lambda: image_choice.follow_texts(raw, runs, reasons))
    timed("all", lambda: extractor.extract(page.html, page.url))


def main(config: PartsConfig) -> int:
    """Print the table."""
    relax_gc()
    chosen = list(pages(config.wcxb))[:: config.every]
    measure(chosen[0], Counter())  # reads the weights
    seconds: Counter[str] = Counter()
    for page in chosen:
        measure(page, seconds)
    for name, value in seconds.items():
        print(f"{name:<10}{1000 * value / len(chosen):>7.2f} ms")
    print(f"{len(chosen)} pages, {len(chosen) / seconds['all']:.1f} per CPU second")
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(PartsConfig)))
