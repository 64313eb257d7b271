"""Learns a vocabulary from the captions of datasets: CLIP's byte-level BPE, or ViLBERT's WordPiece."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.tokens import files as clip_files
from corpusloom.trainers.clip.tokens.byte_pairs import ClipTokenizer, byte_alphabet, learn_merges
from corpusloom.trainers.stream.captions import captions
from corpusloom.trainers.vilbert import tokenizer as vilbert_tokenizer

LEAST = {"bpe": 2 * len(byte_alphabet()) + 3, "wordpiece": 16}
"""Kind -> smallest vocabulary: for BPE all bytes, once more at the end of a word, start, end, and one merge."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """Result of learning a vocabulary."""

    ids: int
    captions: int


def learn_vocabulary(kind: str, datasets: Sequence[str], vocab_size: int, out: str, limit: int | None = None) -> Learnt:
    """Write a vocabulary of at most `vocab_size` ids to the file `out`; equal captions give equal bytes.

    `kind` is bpe (a list of merges, or tokenizer.json) or wordpiece (vocab.txt, or tokenizer.json): a name that ends in
    .json gets a tokenizer.json. `limit` is the number of captions per dataset.
    """
    if vocab_size < LEAST[kind]:
        raise ConfigError(f"--vocab-size is {vocab_size}", remedy=f"{kind} needs {LEAST[kind]} or more")
    if storage.exists(out):
        raise ConfigError("exists", where=out, remedy="give a new file as --out")
    count: Counter[str] = Counter()
    texts = _counted(captions(datasets, limit), count)
    if kind == "bpe":
        clip = ClipTokenizer(learn_merges(texts, vocab_size))
        files, size, plain = clip_files.hf_files(clip), clip.vocab_size, "merges.txt"
    else:
        wordpiece = vilbert_tokenizer.learn_tokenizer(texts, vocab_size)
        files, size, plain = vilbert_tokenizer.hf_files(wordpiece), wordpiece.get_vocab_size(), "vocab.txt"
    storage.write_bytes(out, files["tokenizer.json" if out.endswith(".json") else plain])
    return Learnt(size, count["captions"])


def _counted(texts: Iterator[str], count: Counter[str]) -> Iterator[str]:
    for text in texts:
        count["captions"] += 1
        yield text
