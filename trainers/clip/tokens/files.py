"""Files of CLIP tokenizers: a list of merges as in CLIP's own file, and transformers' tokenizer.json or vocab.json.

The id of the end of a text must be the largest: the model finds the end by it.
"""

import gzip
import json
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import islice
from typing import Any

from tokenizers import AddedToken, Regex, decoders, models, normalizers, processors

from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError
from corpusloom.trainers.clip.tokens.byte_pairs import (
    END,
    END_OF_WORD,
    HEADER,
    START,
    ClipTokenizer,
    Merges,
    byte_level,
)
from corpusloom.trainers.training.hub.vocabulary import read_json_object

OPENAI_HEADER = '"bpe_simple_vocab'
CLIP_MERGES = 48_894
"""Number of merges that CLIP uses of OpenAI's file, which has more."""
BPE_FILE = "bpe_simple_vocab_16e6.txt.gz"
_FORMATS = "give CLIP's file of merges, tokenizer.json, or a folder of one of them"
_json = partial(read_json_object, remedy=_FORMATS)


def load_tokenizer(path: str, context: int = 77) -> ClipTokenizer:
    """Read a file of merges (gzipped or not), a tokenizer.json, or what a folder has of them."""
    if not storage.is_folder(path):
        return tokenizer_from_bytes(storage.read_bytes(path), context, where=path)
    found = tokenizer_in(path, context)
    if found is None:
        raise InputError("no tokenizer.json, vocab.json or file of merges", where=path, remedy=_FORMATS)
    return found


def tokenizer_in(folder: str, context: int) -> ClipTokenizer | None:
    """Return the tokenizer among the files of a model's folder, or None if there is none."""
    names = storage.listing(folder)
    for name in ("tokenizer.json", "merges.txt", BPE_FILE, BPE_FILE.removesuffix(".gz")):
        if name in names:
            path = storage.join(folder, name)
            found = tokenizer_from_bytes(storage.read_bytes(path), context, where=path)
            if name == "merges.txt" and "vocab.json" in names:
                path = storage.join(folder, "vocab.json")
                return _with_ids(found.merges, _json(storage.read_bytes(path), path), context, path)
            return found
    return None


def tokenizer_from_bytes(data: bytes, context: int = 77, where: str = "") -> ClipTokenizer:
    """Return the tokenizer of a file's bytes: merges, gzipped or not, or a tokenizer.json."""
    if data[:1] == b"{":
        return _from_json(_json(data, where), context, where)
    try:
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
        header, _, body = text.partition("\n")
        lines = islice(body.split("\n"), CLIP_MERGES if header.startswith(OPENAI_HEADER) else None)
        merges = tuple((first, second) for first, second in (line.split() for line in lines if line))
    except (OSError, EOFError, ValueError) as error:
        raise InputError(
            f"not a file of merges: {error}", where=where, remedy="one pair per line, after a header"
        ) from error
    return _make(merges, context, None, where)


def _from_json(values: Mapping[str, Any], context: int, where: str) -> ClipTokenizer:
    """Return the tokenizer of a tokenizer.json."""
    model = values.get("model") or {}
    if (
        model.get("type", "BPE") != "BPE"
        or model.get("end_of_word_suffix") != END_OF_WORD
        or not {"merges", "vocab"} <= set(model)
    ):
        raise InputError("not a byte-pair encoding as CLIP's", where=where, remedy=_FORMATS)
    pairs: Iterable[Any] = model["merges"]
    merges = tuple(tuple(pair.split(" ") if isinstance(pair, str) else pair) for pair in pairs)
    added = {token["content"]: token["id"] for token in values.get("added_tokens") or ()}
    return _with_ids(merges, {**model["vocab"], **added}, context, where)


def _with_ids(merges: Merges, vocabulary: Mapping[str, int], context: int, where: str) -> ClipTokenizer:
    """Return a tokenizer with these ids; that of the end must be the largest."""
    missing = [piece for piece in (START, END) if piece not in vocabulary]
    if missing:
        raise InputError(f"no id of {missing[0]}", where=where, remedy=_FORMATS)
    largest = max(vocabulary, key=vocabulary.__getitem__)
    if largest != END:
        what = f"{largest} has a larger id than {END}, at which the model finds the end of a text"
        raise InputError(what, where=where, remedy="use the tokenizer that the weights were trained with")
    return _make(merges, context, vocabulary, where)


def _make(merges: Merges, context: int, vocabulary: Mapping[str, int] | None, where: str) -> ClipTokenizer:
    try:
        return ClipTokenizer(merges, context, vocabulary)
    except Exception as error:  # the library raises no narrower one
        raise InputError(f"merges without ids: {error}", where=where, remedy=_FORMATS) from error


def hf_files(tokenizer: ClipTokenizer) -> dict[str, bytes]:
    """Return the files from which transformers' AutoTokenizer reads the same ids; it cleans texts a little less."""
    ids = tokenizer.vocabulary
    whole = byte_level(models.BPE(ids, list(tokenizer.merges), unk_token=END, end_of_word_suffix=END_OF_WORD))
    whole.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    whole.decoder = decoders.ByteLevel()
    end, start = (END, tokenizer.end), (START, tokenizer.start)
    whole.post_processor = processors.RobertaProcessing(end, start, trim_offsets=False, add_prefix_space=False)
    whole.add_special_tokens([AddedToken(token, normalized=False) for token in (START, END)])
    settings: dict[str, Any] = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    settings |= {"tokenizer_class": "CLIPTokenizer", "model_max_length": tokenizer.context}
    merges = "\n".join([HEADER, *(f"{first} {second}" for first, second in tokenizer.merges), ""])
    return {
        "tokenizer.json": whole.to_str(pretty=True).encode(),
        "vocab.json": json.dumps(ids, ensure_ascii=False).encode(),
        "merges.txt": merges.encode(),
        "tokenizer_config.json": (json.dumps(settings, indent=2) + "\n").encode(),
    }
