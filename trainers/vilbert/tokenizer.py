"""ViLBERT's tokenizer: BERT's WordPiece over a vocabulary that is read (vocab.txt, tokenizer.json) or learnt."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.training.hub.vocabulary import read_json_object

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MIN_COUNT = 2
"""Smallest number of occurrences of a pair of pieces that becomes one."""
MOST_LETTERS = 1000
"""Largest number of single characters in a learnt vocabulary; rarer ones become [UNK]."""
_REPEATS = 1000
"""Largest number of times that a word is repeated in one text for the trainer."""
_FORMATS = "give BERT's vocab.txt or tokenizer.json, or a folder of one of them"
_json = partial(read_json_object, remedy=_FORMATS)


def learn_tokenizer(captions: Iterable[str], vocab_size: int) -> Tokenizer:
    """Return a lower-casing WordPiece tokenizer learnt from captions; equal captions in any order give equal ids.

    The library numbers "##" and a letter in the order of a hash table, and so breaks ties between pairs of pieces; here
    all letters are given to it first, the most frequent first, as special tokens.
    """
    normalizer, splitter = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    words: Counter[str] = Counter()
    for caption in captions:
        words.update(word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(caption)))
    letters: Counter[str] = Counter()
    for word, count in words.items():
        letters.update(dict.fromkeys(word, count))
    room = min(MOST_LETTERS, (vocab_size - len(SPECIAL)) // 2)
    alphabet = [letter for letter, _ in sorted(letters.items(), key=lambda item: (-item[1], item[0]))[:room]]
    first = [*SPECIAL, *alphabet, *(f"##{letter}" for letter in alphabet)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size, min_frequency=MIN_COUNT, special_tokens=first, show_progress=False
    )
    learnt = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106
    learnt.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    known = set(alphabet)
    learnt.train_from_iterator(_repeated({word: n for word, n in words.items() if known.issuperset(word)}), trainer)
    return make_tokenizer(learnt.get_vocab(with_added_tokens=True))


def _repeated(words: dict[str, int]) -> Iterator[str]:
    """Yield texts that have each word as often as it was counted, in a fixed order."""
    for word, count in sorted(words.items()):
        for start in range(0, count, _REPEATS):
            yield " ".join([word] * min(_REPEATS, count - start))


def make_tokenizer(vocabulary: dict[str, int], where: str = "", **normalizing: Any) -> Tokenizer:
    """Return BERT's tokenizer over a vocabulary; special tokens that a text spells out are plain text.

    `normalizing` are arguments of the library's BertNormalizer; by default texts become lower case.
    """
    for name in SPECIAL:
        if name not in vocabulary:
            raise ConfigError(f"the vocabulary lacks {name}", where=where or "data.vocabulary", remedy=_FORMATS)
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer(**({"lowercase": True} | normalizing))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    cls, sep = (("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"]))
    tokenizer.post_processor = processors.BertProcessing(sep, cls)
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def read_vocabulary(path: str) -> Tokenizer:
    """Return the tokenizer of a vocab.txt (lower case), of a tokenizer.json, or of a folder of one of them."""
    if not storage.is_folder(path):
        return _from_bytes(storage.read_bytes(path), path)
    found = tokenizer_in(path)
    if found is None:
        raise InputError("no tokenizer.json or vocab.txt", where=path, remedy=_FORMATS)
    return found


def tokenizer_in(folder: str) -> Tokenizer | None:
    """Return the tokenizer among the files of a model's folder, or None if there is none."""
    names = storage.listing(folder)
    for name in ("tokenizer.json", "vocab.txt"):
        if name in names:
            path, settings = storage.join(folder, name), storage.join(folder, "tokenizer_config.json")
            values = _json(storage.read_bytes(settings), settings) if "tokenizer_config.json" in names else {}
            return _from_bytes(storage.read_bytes(path), path, lowercase=values.get("do_lower_case", True))
    return None


def _from_bytes(data: bytes, where: str, *, lowercase: bool = True) -> Tokenizer:
    if data[:1] == b"{":
        return _from_json(_json(data, where), where)
    try:
        pieces = data.decode().splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"not a vocabulary: {error}", where=where, remedy=_FORMATS) from error
    return make_tokenizer({piece: number for number, piece in enumerate(pieces)}, where, lowercase=lowercase)


def _from_json(values: dict[str, Any], where: str) -> Tokenizer:
    """Return the tokenizer of a tokenizer.json."""
    model, normalizer = values.get("model") or {}, values.get("normalizer") or {}
    if "vocab" not in model or model.get("type", "WordPiece") != "WordPiece" or "merges" in model:
        raise InputError("not a WordPiece tokenizer", where=where, remedy=_FORMATS)
    if normalizer.get("type") != "BertNormalizer":
        raise InputError("its texts are not prepared as BERT's", where=where, remedy=_FORMATS)
    added = {token["content"]: token["id"] for token in values.get("added_tokens") or ()}
    normalizing = {name: value for name, value in normalizer.items() if name != "type"}
    return make_tokenizer({**model["vocab"], **added}, where, **normalizing)


def hf_files(tokenizer: Tokenizer) -> dict[str, bytes]:
    """Return the files from which transformers' BertTokenizer reads the same ids."""
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    pieces = sorted(vocabulary, key=vocabulary.__getitem__)
    lowercase = json.loads(tokenizer.to_str())["normalizer"]["lowercase"]
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": lowercase}
    return {
        "vocab.txt": "".join(f"{piece}\n" for piece in pieces).encode(),
        "tokenizer.json": tokenizer.to_str(pretty=True).encode(),
        "tokenizer_config.json": (json.dumps(settings, indent=2) + "\n").encode(),
    }


@lru_cache(64)  # it is asked for several times per sample
def token_id(tokenizer: Tokenizer, name: str) -> int:
    """Return a special token's id."""
    number = tokenizer.token_to_id(name)
    assert number is not None, "make_tokenizer checks the special tokens"
    return int(number)


def encode(tokenizer: Tokenizer, text: str, length: int) -> np.ndarray:
    """Return a caption's token ids, int64 (length,), padded with [PAD]; a caption that is cut keeps its [SEP]."""
    ids = tokenizer.encode(text).ids
    if len(ids) > length:
        ids = [*ids[: length - 1], ids[-1]]
    return np.array(ids + [token_id(tokenizer, "[PAD]")] * (length - len(ids)), np.int64)


def encode_pair(tokenizer: Tokenizer, context: Sequence[str], text: str, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return token ids and segments of [CLS] context [SEP] text [SEP], int64 (length,) each, padded with [PAD].

    Texts of the context have a [SEP] between them; their segment is 0, that of `text` and its [SEP] is 1. If the whole
    is too long, tokens are taken from the end of the longer one of the two, as in the public code.
    """
    cls, sep, pad = (token_id(tokenizer, name) for name in ("[CLS]", "[SEP]", "[PAD]"))
    first: list[int] = []
    for number, part in enumerate(context):
        first += [sep] * (number > 0) + tokenizer.encode(part, add_special_tokens=False).ids
    second = tokenizer.encode(text, add_special_tokens=False).ids
    kept, rest = kept_lengths(len(first), len(second), length - 3)
    ids = [cls, *first[:kept], sep, *second[:rest], sep]
    segments = [0] * (kept + 2) + [1] * (rest + 1)
    padding = length - len(ids)
    return np.array(ids + [pad] * padding, np.int64), np.array(segments + [0] * padding, np.int64)


def kept_lengths(first: int, second: int, room: int) -> tuple[int, int]:
    """Return how many tokens of two texts are kept if the longer one, or the second of equal ones, is cut first."""
    excess = max(first + second - room, 0)
    cut = min(max(first - second, 0), excess)
    first, excess = first - cut, excess - cut
    cut = min(max(second - first, 0), excess)
    second, excess = second - cut, excess - cut
    return first - excess // 2, second - (excess + 1) // 2
