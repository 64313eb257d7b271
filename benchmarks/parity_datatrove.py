"""Compares our text filters and MinHash with datatrove's on the same texts.

    python -m benchmarks.parity_datatrove --write      regenerates tests/pipelines/filters/parity_datatrove.json
    python -m benchmarks.parity_datatrove --texts DIR  prints the agreement on a folder of .txt or WCXB .json files
    python -m benchmarks.parity_datatrove --pairs N    prints near-duplicates found by both, by exact Jaccard similarity

Needs an environment with datatrove[processing], spacy and this repository on the path; `make test` needs neither,
it reads the JSON.
"""

import argparse
import importlib.metadata
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

FIXTURE = Path(__file__).parent.parent / "tests" / "pipelines" / "filters" / "parity_datatrove.json"
FILTERS = ("quality", "repetition", "c4", "fineweb")
EDITS = (2, 4, 8, 12, 16, 24, 40)
"""Numbers of words, of 300, that differ in a pair of texts: Jaccard from about 0.94 down to 0.35."""
PAIRS = 60
WORDS = """the of and to in is that for it as was with be by on not he his but at are this have from or had they which
one you were her all she there would their we him been has when who will more no if out so said what up its about into
than them can only other new some could time these two may then do first any now such like our over man me even most
made after also did many before must through back years where much your way well down should because each just those
people how too little state good very make world still own see men work long get here between both life river bridge
house garden window market village morning evening winter summer painter sailor teacher doctor letter picture story
machine engine station harbour island mountain forest valley colour answer question weather kitchen table"""


def sentence(rng: random.Random, length: int = 14) -> str:
    """Return a sentence of random common words."""
    return " ".join(rng.choice(WORDS.split()) for _ in range(length)).capitalize() + "."


def paragraph(rng: random.Random, sentences: int = 5) -> str:
    """Return a paragraph of such sentences."""
    return " ".join(sentence(rng) for _ in range(sentences))


def texts() -> Iterator[tuple[str, str]]:
    """Yield names and texts, each near the bound of one rule."""
    rng = random.Random(20)
    for number in range(8):
        yield f"plain {number}", "\n\n".join(paragraph(rng, 3 + number) for _ in range(1 + number % 4))
    plain = "\n\n".join(paragraph(rng) for _ in range(3))
    yield "empty", ""
    yield "49 words", " ".join(["the", "of", *rng.choices(WORDS.split(), k=47)])
    yield "50 words", " ".join(["the", "of", *rng.choices(WORDS.split(), k=48)])
    yield "short words", "a b c of the to " * 20
    yield "long words", " ".join(f"{word}{word}{word}" for word in WORDS.split() if len(word) > 3)
    yield "hashes", plain + " # # # # # # #" * 8
    yield "ellipses", plain + " and so on ..." * 30
    yield "few ellipses", plain + " and so on..." * 3
    yield "bullets", "\n".join("- " + sentence(rng) for _ in range(12))
    yield "half bullets", "\n".join(("• " if n % 2 else "") + sentence(rng) for n in range(12))
    yield "lines that trail off", "\n".join(sentence(rng)[:-1] + "..." for _ in range(12))
    yield "some lines that trail off", "\n".join(sentence(rng)[:-1] + ("…" if n % 4 == 0 else ".") for n in range(12))
    yield "numbers", "the value of " + " ".join(str(rng.randrange(10_000)) for _ in range(120))
    yield "decimals", " ".join(f"The price is {rng.random():.2f} and {rng.randrange(9_000):,}." for _ in range(30))
    stops = ("the", "be", "to", "of", "and", "that", "have", "with")
    yield "no stop words", " ".join(word for word in WORDS.split() if word not in stops)
    yield "contractions", " ".join(f"It's what they don't have, and we'll see {sentence(rng)}" for _ in range(9))
    yield "quotes", " ".join(f'He said "{sentence(rng)}" (and left).' for _ in range(9))
    yield "hyphens", " ".join(f"A well-known, state-of-the-art {sentence(rng)}" for _ in range(9))
    yield "one line many times", "\n".join([paragraph(rng, 2), *[sentence(rng)] * 6])
    yield "a line twice", "\n".join([*(sentence(rng) for _ in range(9)), *[sentence(rng)] * 2])
    yield "one paragraph many times", "\n\n".join([paragraph(rng, 3), *[paragraph(rng, 2)] * 4])
    yield "a long passage twice", plain + "\n" + plain[: len(plain) // 2]
    yield "one word", "house " * 100
    yield "a refrain", " ".join(f"{sentence(rng)} And so it goes on." for _ in range(14))
    yield "a short refrain", " ".join(f"{sentence(rng)} So it is." for _ in range(14))
    yield "short lines", "\n".join(sentence(rng, 4) for _ in range(30))
    yield "mixed lines", "\n".join(sentence(rng, 4 if n % 3 else 16) for n in range(30))
    yield "no punctuation", "\n".join(sentence(rng)[:-1] for _ in range(12))
    yield "one line of twelve ends", "\n".join(sentence(rng)[: None if n == 0 else -1] for n in range(12))
    yield "many empty lines", "\n\n\n\n\n\n".join(sentence(rng) for _ in range(12))
    yield "lorem ipsum", plain + "\nLorem ipsum dolor sit amet of them all."
    yield "curly bracket", plain + "\nThen one must write a { at the end of it."
    yield "code", plain + "\nif (a) {\nb();\n}"
    yield "javascript", plain + "\nYou need JavaScript { to read all of this page."
    yield "policy", "\n".join([*["This site uses cookies for all of its visitors."] * 3, sentence(rng)])
    yield "two sentences", f"{sentence(rng)}\n{sentence(rng)}"
    yield "three sentences", f"{sentence(rng)} {sentence(rng)}\n{sentence(rng)}"
    yield "citations", "\n".join(f"{sentence(rng)[:-1]}[{n}]." for n in range(5))
    yield "menu", "\n".join(["Home", "About", "Products", "News", "Contact", "Log in", "Search"])
    yield "accents", " ".join(f"Le café de l'été, où {sentence(rng)}" for _ in range(9))


def text_pairs(edits: int, pairs: int = PAIRS) -> Iterator[tuple[str, str]]:
    """Yield pairs of texts of 300 random words, the second with `edits` words changed."""
    rng = random.Random(edits)
    for _ in range(pairs):
        words = [f"{rng.choice('bdfgklmnprst')}{rng.choice('aeiou')}{rng.randrange(40):02x}x" for _ in range(300)]
        changed = list(words)
        for place in rng.sample(range(300), edits):
            changed[place] = "other"
        yield " ".join(words), " ".join(changed)


def datatrove_verdicts(text: str) -> dict[str, str | None]:
    """Return filter -> datatrove's reason, or None if it keeps the text; C4 with the paper's 3 sentences, 5 words."""
    from datatrove.data import Document
    from datatrove.pipeline import filters

    made = {
        "quality": filters.GopherQualityFilter(),
        "repetition": filters.GopherRepetitionFilter(),
        "c4": filters.C4QualityFilter(min_num_sentences=3, min_words_per_line=5),
        "fineweb": filters.FineWebQualityFilter(),
    }
    verdicts: dict[str, str | None] = {}
    for name, one in made.items():
        found = one.filter(Document(text=text, id=""))
        verdicts[name] = None if found is True else found[1]
    return verdicts


def our_verdicts(text: str) -> dict[str, str | None]:
    """Return filter -> our reason, or None if it keeps the text; quality with punctuation as words, as in datatrove."""
    from corpusloom.pipelines.filters.fineweb import FineWebConfig
    from corpusloom.pipelines.filters.text.text_filter import Text
    from corpusloom.pipelines.recipes.recipe import load_recipe
    from corpusloom.pipelines.recipes.rules import FilterSet, registered
    from corpusloom.schemas.verdicts import Rejected, decide

    m3w = load_recipe("m3w", ["filters.quality.count_punctuation=true"]).filters
    mmc4 = load_recipe("mmc4").filters
    fineweb = FineWebConfig(
        min_line_punctuation=0.12, max_short_lines=0.67, max_duplicate_characters=0.01, max_new_lines_per_word=0.3
    )
    published = FilterSet(quality=m3w.quality, repetition=m3w.repetition, c4=mmc4.c4, fineweb=fineweb)
    found = {
        item.name: decide(item.module.measure(Text(text), item.config), item.rules())
        for item in registered(published)
        if item.config is not None
    }
    return {name: verdict.reason if isinstance(verdict, Rejected) else None for name, verdict in found.items()}


def datatrove_candidates(edits: int) -> int:
    """Return the number of pairs that share a bucket in datatrove's MinHash (14 x 8, five words, 64 bits)."""
    from datatrove.pipeline.dedup.minhash import MinhashDedupSignature

    signer = MinhashDedupSignature("/nonexistent")
    found = 0
    for pair in text_pairs(edits):
        first, second = (signer.get_signature(signer.get_shingles(text)) for text in pair)
        found += any(one == other for one, other in zip(first, second, strict=True))
    return found


def bins(pairs: int) -> None:
    """Print per tenth of exact Jaccard the pairs: all, expected by the S-curve, found by ours, found by datatrove's."""
    from datatrove.pipeline.dedup.minhash import MinhashDedupSignature

    from benchmarks.near_duplicates import candidate_probability, jaccard
    from corpusloom.pipelines.dedup.minhash import MinHashConfig, shingles, text_band_keys

    config, signer = MinHashConfig(), MinhashDedupSignature("/nonexistent")
    sums: dict[int, list[float]] = {}
    for edits in range(1, 61):
        for pair in text_pairs(edits, pairs):
            similarity = jaccard(*map(shingles, pair))
            probability = candidate_probability(similarity, config)
            first, second = (set(text_band_keys(text, config)) for text in pair)
            one, other = (signer.get_signature(signer.get_shingles(text)) for text in pair)
            theirs = any(a == b for a, b in zip(one, other, strict=True))
            row = (1, probability, probability * (1 - probability), bool(first & second), theirs)
            place = int(similarity * 10)
            sums[place] = [a + b for a, b in zip(sums.get(place, [0.0] * 5), row, strict=True)]
    for place, (count, expected, variance, ours, found) in sorted(sums.items(), reverse=True):
        within = "within" if abs(ours - expected) <= 2 * variance**0.5 + 0.5 else "NOT within"
        print(
            f"J {place / 10:.1f}-{place / 10 + 0.1:.1f}: {count:.0f} pairs, expected {expected:.1f} +- "
            f"{2 * variance**0.5:.1f}, ours {ours:.0f} ({within}), datatrove {found:.0f}"
        )


def write() -> None:
    """Write the fixture: texts with datatrove's verdicts, and its candidates among the pairs."""
    version = importlib.metadata.version("datatrove")
    rows = [{"name": name, "text": text, **datatrove_verdicts(text)} for name, text in texts()]
    candidates = {str(edits): datatrove_candidates(edits) for edits in EDITS}
    content = {"datatrove": version, "texts": rows, "candidates": candidates}
    FIXTURE.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{FIXTURE.name}: {len(rows)} texts, candidates {candidates}")


def read_text(path: Path) -> str:
    """Return the text of a .txt file or the main content of a WCXB ground truth."""
    if path.suffix == ".txt":
        return path.read_text("utf-8", "replace")
    return json.loads(path.read_text("utf-8")).get("ground_truth", {}).get("main_content") or ""


def compare(folder: Path, limit: int) -> None:
    """Print for each filter the number of texts in a folder with equal verdicts, and the texts with different ones."""
    from datatrove.utils.text import split_into_words

    from corpusloom.pipelines.filters.text.words import split_words

    same: Counter[str] = Counter()
    total, drift = 0, 0.0
    for path in sorted(path for path in folder.rglob("*") if path.suffix in (".txt", ".json"))[:limit]:
        text = read_text(path)
        if not text:
            continue
        total += 1
        drift += abs(len(split_words(text)) / len(split_into_words(text)) - 1)
        theirs, ours = datatrove_verdicts(text), our_verdicts(text)
        for name in FILTERS:
            if (theirs[name] is None) == (ours[name] is None):
                same[name] += 1
            else:
                print(f"{path.name}: {name}: datatrove {theirs[name]}, ours {ours[name]}")
    for name in FILTERS:
        print(f"{name}: {same[name]} of {total} texts the same")
    print(f"tokens: {drift / max(total, 1):.2%} more or fewer than spaCy's, on average")


def main() -> None:
    """Write the fixture, or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=0)
    options = parser.parse_args()
    if options.write:
        write()
    if options.texts:
        compare(options.texts, options.limit)
    if options.pairs:
        bins(options.pairs)


if __name__ == "__main__":
    main()
