"""Checks duplicates and languages on a real manual: `python -m benchmarks.gimp_help --help-folder FOLDER`.

Debian's packages gimp-help-en, gimp-help-en-gb, gimp-help-de ... are one web site in many languages (`apt-get download`
and `dpkg-deb -x` are enough; nothing is installed). FOLDER is their /usr/share/gimp/2.0/help. Among the first 200 pages
of `en` and `en_GB` in sorted order it counts pages with equal bytes, with equal text and near-duplicates, and repeats
each count by another method. Pages of every folder are judged by the English rule of the recipe m3w: it must keep all
English pages, and of other folders only pages that are not or only partly translated, which is checked by their words.
The exit code is 3 if a check fails.
"""

import hashlib
import itertools
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import tyro

from benchmarks.near_duplicates import candidate_probability, jaccard, near_duplicates
from corpusloom.pipelines.dedup.exact import text_key
from corpusloom.pipelines.dedup.minhash import MinHashConfig, shingles
from corpusloom.pipelines.extract.extractor import extract
from corpusloom.pipelines.extract.reading.types import Extracted
from corpusloom.pipelines.filters import language
from corpusloom.pipelines.filters.text.text_filter import judge
from corpusloom.pipelines.recipes.measuring import page_text
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.schemas.verdicts import Kept

_NEAR = 0.9
_UNTRANSLATED = 2 / 3
"""A page counts as English if at least this share of its running words occurs in the English page of the same name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HelpConfig:
    """Folder of the manual, and the part of it that is read."""

    help_folder: Path
    """Folder with en/, en_GB/, de/ ... of HTML pages."""
    pages: int = 200
    """Pages of en and of en_GB that are compared, in sorted order."""
    every: int = 10
    """Judge every n-th page of each language."""


def text_of(path: Path) -> str:
    """Return the text of a page that the recipe's filters get; empty if there is none."""
    found = extract(path.read_bytes(), path.as_uri())
    return page_text(found.blocks) if isinstance(found, Extracted) else ""


def same_bytes(paths: Iterable[Path]) -> int:
    """Return the number of files with the same bytes as an earlier one."""
    hashes = Counter(hashlib.sha256(path.read_bytes()).digest() for path in paths)
    return sum(count - 1 for count in hashes.values())


def same_text(texts: dict[str, str]) -> tuple[int, int]:
    """Return the number of texts equal to an earlier one: by the pipeline's keys, and by comparing their words."""
    by_key = Counter(text_key(text) for text in texts.values())
    by_words = Counter(tuple(text.split()) for text in texts.values())
    return sum(count - 1 for count in by_key.values()), sum(count - 1 for count in by_words.values())


def near_pairs(texts: dict[str, str], config: MinHashConfig) -> tuple[int, int, float]:
    """Return numbers of pairs with exact Jaccard of at least 0.9: all, in one cluster, expected in one cluster."""
    sets = {name: shingles(text, config.shingle_words) for name, text in texts.items()}
    clusters = near_duplicates(texts, config)
    pairs = found = 0
    expected = 0.0
    for first, second in itertools.combinations(sorted(texts), 2):
        similarity = jaccard(sets[first], sets[second])
        if similarity >= _NEAR:
            pairs += 1
            expected += candidate_probability(similarity, config)
            found += first in clusters and clusters[first] == clusters.get(second)
    return pairs, found, expected


def english(folder: Path, original: Path, every: int) -> tuple[int, int, int]:
    """Return numbers of pages: with enough text, of these English by m3w's rule, of these English by their words."""
    rule = load_recipe("m3w").filters.language
    assert rule is not None
    seen = kept = right = 0
    for path in sorted(folder.rglob("*.html"))[::every]:
        text = text_of(path)
        if len(text) >= 200:
            seen += 1
            if judge(language, text, rule) == Kept():
                kept += 1
                right += _share_of_words(text, original / path.name) >= _UNTRANSLATED
    return seen, kept, right


def _share_of_words(text: str, original: Path) -> float:
    words, known = text.lower().split(), _words_of(original)
    return sum(map(known.__contains__, words)) / len(words)


@cache
def _words_of(page: Path) -> frozenset[str]:
    """Return the words of the English page of a name; empty if there is none."""
    return frozenset(text_of(page).lower().split()) if page.exists() else frozenset()


def main(config: HelpConfig) -> int:
    """Print the counts; return 3 if a check fails."""
    folders = {path.name: path for path in sorted(config.help_folder.iterdir()) if path.is_dir()}
    if not {"en", "en_GB"} <= folders.keys():
        print("not measured: needs the folders en and en_GB (gimp-help-en, gimp-help-en-gb)")
        return 0
    first = {name: sorted(folders[name].glob("*.html"))[: config.pages] for name in ("en", "en_GB")}
    alike = sum((folders["en_GB"] / path.name).read_bytes() == path.read_bytes() for path in first["en"])
    copies = same_bytes([*first["en"], *first["en_GB"]])
    texts = {f"{name}/{path.name}": text_of(path) for name, paths in first.items() for path in paths}
    texts = {name: text for name, text in texts.items() if text}
    keys, words = same_text(texts)
    pairs, found, expected = near_pairs(texts, MinHashConfig())
    print(f"{len(first['en'])} + {len(first['en_GB'])} pages, {len(texts)} with text")
    print(f"equal by bytes: {alike} of the same name, {copies} by hash")
    print(f"equal by text: {keys} by key, {words} by words")
    print(f"pairs of Jaccard >= {_NEAR}: {pairs}, in one cluster {found}, expected {expected:.1f}")
    wrong = 0
    for name, folder in folders.items():
        seen, kept, right = english(folder, folders["en"], config.every)
        wrong += seen - kept if name.startswith("en") else kept - right
        print(f"language {name}: {kept} of {seen} pages are English by the rule, {right} of them by their words")
    holds = bool(pairs) and copies >= alike and keys == words and found >= 0.99 * pairs and wrong == 0
    print("holds" if holds else "does not hold")
    return 0 if holds else 3


if __name__ == "__main__":
    sys.exit(main(tyro.cli(HelpConfig)))
