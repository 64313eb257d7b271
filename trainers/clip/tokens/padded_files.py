"""Files of SigLIP's tokenizers: SentencePiece's spiece.model, transformers' tokenizer.json, a list of merges."""

from collections.abc import Mapping
from typing import Any

from tokenizers import Tokenizer

from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.guards import json_files
from corpusloom.trainers.clip.tokens import files
from corpusloom.trainers.clip.tokens.padded import (
    END,
    PaddedTokenizer,
    clean_first,
    from_merges,
    with_end,
    with_padding,
)
from corpusloom.trainers.clip.tokens.sentence_piece import read_unigram
from corpusloom.trainers.training.hub.tensors import COPY_AGAIN

SPIECE, DEFINITION, SETTINGS = "spiece.model", "tokenizer.json", "tokenizer_config.json"
_PADS = (END, "<pad>", "[PAD]", "<|endoftext|>")
"""Pad tokens that are looked for in a definition whose settings name none."""
_LEFT = ("Siglip2Tokenizer", "GemmaTokenizer", "GemmaTokenizerFast")
"""Tokenizers of transformers that pad on the left unless their settings say otherwise."""


def padded_in(folder: str, context: int) -> PaddedTokenizer | None:
    """Return the tokenizer among the files of a model's folder, or None if there is none."""
    names, settings = storage.listing(folder), {}
    if SETTINGS in names:
        settings = json_files.read_object(storage.join(folder, SETTINGS), COPY_AGAIN, {})
    for name in (SPIECE, DEFINITION):
        if name in names:
            path = storage.join(folder, name)
            return _make(storage.read_bytes(path), settings, context, path)
    merges = files.tokenizer_in(folder, context)
    return None if merges is None else from_merges(merges.merges, context)


def load_padded(path: str, context: int) -> PaddedTokenizer:
    """Read a spiece.model, a tokenizer.json, a file of merges, or what a folder has of them."""
    if not storage.is_folder(path):
        return padded_from_bytes(storage.read_bytes(path), context, where=path)
    found = padded_in(path, context)
    if found is None:
        what = f"no {SPIECE}, {DEFINITION} or file of merges"
        raise InputError(what, where=path, remedy="give one of them, or its folder")
    return found


def padded_from_bytes(data: bytes, context: int, where: str = "") -> PaddedTokenizer:
    """Return the tokenizer of a file's bytes: a definition, a SentencePiece model, or merges, gzipped or not."""
    if data[:1] == b"{" or data[:1] == b"\n":
        return _make(data, {}, context, where)
    return from_merges(files.tokenizer_from_bytes(data, context, where).merges, context)


def _make(data: bytes, settings: Mapping[str, Any], context: int, where: str) -> PaddedTokenizer:
    """Return the tokenizer of a file and of transformers' settings beside it."""
    kind = str(settings.get("tokenizer_class", ""))
    is_spiece = data[:1] != b"{"
    if is_spiece:
        tokenizer = read_unigram(data, where)
    else:
        try:
            tokenizer = Tokenizer.from_str(data.decode())
        except Exception as error:  # the library raises no narrower one
            raise InputError(f"not a tokenizer.json: {error}", where=where, remedy=COPY_AGAIN) from error
    if is_spiece or kind.removesuffix("Fast") == "SiglipTokenizer":
        clean_first(tokenizer, lower=bool(settings.get("do_lower_case", True)), punctuation=True)
        with_end(tokenizer, _name(settings.get("eos_token")) or END)
    elif kind == "Siglip2Tokenizer":
        clean_first(tokenizer, lower=True, punctuation=False)
    own, pads = tokenizer.padding, (_name(settings.get("pad_token")), *_PADS)
    pad = next((pad for pad in pads if pad and tokenizer.token_to_id(pad) is not None), None)
    if pad is None or (own and not settings):
        return PaddedTokenizer(tokenizer.to_str().encode(), context, where)
    side = str(settings.get("padding_side") or ("left" if kind in _LEFT else "right"))
    return PaddedTokenizer(with_padding(tokenizer, pad, side), context, where)


def _name(token: Any) -> str | None:
    """Return the text of a token in transformers' settings: a text, or a table."""
    found = token.get("content") if isinstance(token, dict) else token
    return None if found is None else str(found)
