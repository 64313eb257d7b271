"""Reads a SentencePiece model (arXiv 1808.06226): spiece.model, a protocol buffer of pieces and their scores."""

import struct
from collections import defaultdict

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from corpusloom.schemas.errors import InputError

SPACE = "▁"
"""Character that stands for a space in a piece."""
_UNIGRAM, _CONTROL = 1, 3
Message = dict[int, list[int | float | bytes]]
"""Number of a field -> its values."""


def read_unigram(data: bytes, where: str) -> Tokenizer:
    """Return the tokenizer of a unigram model; InputError for damage or another kind of model."""
    try:
        model = _fields(data)
        pieces = [_fields(piece) for piece in model[1] if isinstance(piece, bytes)]
        vocabulary = [(_bytes(piece, 1).decode(), float(piece[2][0]) if piece[2] else 0.0) for piece in pieces]
        trainer, rules = _fields(_bytes(model, 2)), _bytes(_fields(_bytes(model, 3)), 2)
        kind, unknown = (
            trainer[field][0] if trainer[field] else default for field, default in ((3, _UNIGRAM), (40, 0))
        )
        unigram = models.Unigram(vocabulary, int(unknown))
        steps = [normalizers.Precompiled(rules)] if rules else []
    except Exception as error:  # the library raises no narrower one
        raise InputError(f"not a SentencePiece model: {error}", where=where, remedy="copy the file again") from error
    if kind != _UNIGRAM or not vocabulary:
        what = "not a unigram model of SentencePiece, which SigLIP's tokenizer is"
        raise InputError(what, where=where, remedy="give a tokenizer.json instead")
    tokenizer = Tokenizer(unigram)
    tokenizer.normalizer = normalizers.Sequence([*steps, normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(SPACE, prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(SPACE, prepend_scheme="always")
    special = [name for (name, _), piece in zip(vocabulary, pieces, strict=True) if piece[3][:1] == [_CONTROL]]
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in special])
    return tokenizer


def _bytes(message: Message, field: int) -> bytes:
    value = message[field][0] if message[field] else b""
    if not isinstance(value, bytes):
        raise ValueError(f"field {field} is no text")
    return value


def _fields(data: bytes) -> Message:
    """Return the fields of a message in protocol buffers' wire format."""
    found: Message = defaultdict(list)
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        value: int | float | bytes
        if tag & 7 == 0:
            value, at = _varint(data, at)
        elif tag & 7 == 2:
            length, at = _varint(data, at)
            value, at = data[at : at + length], at + length
        elif tag & 7 in (1, 5):
            kind, width = ("<d", 8) if tag & 7 == 1 else ("<f", 4)
            (value,), at = struct.unpack_from(kind, data, at), at + width
        else:
            raise ValueError(f"byte {at} is no field")
        if at > len(data):
            raise ValueError("the file ends early")
        found[tag >> 3].append(value)
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of seven bits per byte, and the place after it."""
    value = shift = 0
    while True:
        byte = data[at]
        value, at, shift = value | (byte & 127) << shift, at + 1, shift + 7
        if byte < 128:
            return value, at
