"""SigLIP's tokenizers: a definition of the tokenizers library; texts are padded to the context.

SigLIP puts texts into lower case, drops ASCII punctuation and collapses white space; SigLIP 2 does the first alone.
A definition is the content of a tokenizer.json whose normaliser has these steps, and whose padding names the pad token.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, processors

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.clip.tokens.byte_pairs import (
    END_OF_WORD,
    Merges,
    byte_alphabet,
    byte_level,
    check_ids_fit,
)

END = "</s>"
"""End of a text, and padding, in SigLIP and in vocabularies that are learnt for it."""
PUNCTUATION = r"[!-/:-@\[-`{-~]"


class PaddedTokenizer:
    """Turns texts into rows of token ids of one length, by a definition of the tokenizers library."""

    def __init__(self, definition: bytes, context: int = 64, where: str = "") -> None:
        """Make the tokenizer; InputError unless it is a definition that names a pad token."""
        self.context = context
        try:
            self._tokenizer = Tokenizer.from_str(definition.decode())
        except Exception as error:  # the library raises no narrower one
            what = f"not a tokenizer.json: {error}"
            raise InputError(what, where=where, remedy="copy it again") from error
        padding = self._tokenizer.padding
        if padding is None:
            raise InputError("no pad token", where=where, remedy="name it in tokenizer_config.json as pad_token")
        self.pad = int(padding["pad_id"])
        self._tokenizer.enable_padding(
            length=context, pad_id=self.pad, pad_token=padding["pad_token"], direction=padding["direction"]
        )
        self._tokenizer.enable_truncation(context)
        self._tokenizer.encode_special_tokens = True  # special tokens spelt out in a caption are plain text
        self.vocabulary: Mapping[str, int] = self._tokenizer.get_vocab(with_added_tokens=True)
        self.vocab_size = max(self.vocabulary.values()) + 1

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the definition, from which the tokenizer is made again."""
        return type(self), (self.to_bytes(), self.context)

    def row(self, text: str) -> np.ndarray:
        """Return (context,) int64: ids, with the definition's special tokens, and padding; a long text is cut."""
        return np.array(self._tokenizer.encode(text).ids, np.int64)

    def rows(self, texts: Sequence[str]) -> np.ndarray:
        """Return (B, context) int64."""
        return np.stack([self.row(text) for text in texts])

    def check_fits(self, vocab_size: int) -> None:
        """Raise ConfigError if a model of `vocab_size` token embeddings has too few for these ids."""
        check_ids_fit(self.vocab_size, vocab_size)

    @property
    def special_ids(self) -> dict[str, int | None]:
        """Ids of the special tokens as transformers names them; the end is the last one added to a text, or padding."""
        added = [token for token in self._tokenizer.encode("").ids if token != self.pad]
        return {"bos_token_id": None, "eos_token_id": added[-1] if added else self.pad, "pad_token_id": self.pad}

    def to_bytes(self) -> bytes:
        """Return the definition."""
        return self._tokenizer.to_str().encode()


def with_padding(tokenizer: Tokenizer, pad_token: str, direction: str = "right") -> bytes:
    """Return a definition with a pad token, which must be in the vocabulary."""
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id(pad_token), pad_token=pad_token, direction=direction)
    return tokenizer.to_str().encode()


def with_end(tokenizer: Tokenizer, end: str) -> None:
    """Let a tokenizer add a token after each text."""
    number = tokenizer.token_to_id(end)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {end}", pair=f"$A {end} $B {end}", special_tokens=[(end, number)]
    )


def clean_first(tokenizer: Tokenizer, *, lower: bool, punctuation: bool) -> None:
    """Put SigLIP's cleaning before a tokenizer's own normaliser; `punctuation` drops it and collapses white space."""
    steps: list[Any] = [normalizers.Lowercase()] if lower else []
    if punctuation:
        steps += [normalizers.Replace(Regex(PUNCTUATION), ""), normalizers.Replace(Regex(r"[\s▁]+"), " ")]
        steps.append(normalizers.Strip())
    own = tokenizer.normalizer
    tokenizer.normalizer = normalizers.Sequence([*steps, *([] if own is None else [own])])


def from_merges(merges: Merges, context: int) -> PaddedTokenizer:
    """Return a SigLIP's tokenizer of byte-level merges, such as `loom tokenizer` learns: one special token, the end."""
    letters = byte_alphabet()
    pieces = [*letters, *(letter + END_OF_WORD for letter in letters), *map("".join, merges), END]
    ids = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = byte_level(models.BPE(ids, list(merges), end_of_word_suffix=END_OF_WORD))
    tokenizer.normalizer = normalizers.NFC()
    clean_first(tokenizer, lower=True, punctuation=True)
    tokenizer.add_special_tokens([AddedToken(END, normalized=False)])
    with_end(tokenizer, END)
    return PaddedTokenizer(with_padding(tokenizer, END), context)


def hf_files(tokenizer: PaddedTokenizer) -> dict[str, bytes]:
    """Return the files from which transformers' AutoTokenizer reads the same ids, padded with padding="max_length"."""
    definition = json.loads(tokenizer.to_bytes())
    padding = definition["padding"]
    end = next(
        piece for piece, number in tokenizer.vocabulary.items() if number == tokenizer.special_ids["eos_token_id"]
    )
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": tokenizer.context}
    settings |= {"pad_token": padding["pad_token"], "padding_side": padding["direction"].lower(), "eos_token": end}
    definition |= {"padding": None, "truncation": None}
    return {
        "tokenizer.json": json.dumps(definition, ensure_ascii=False).encode(),
        "tokenizer_config.json": (json.dumps(settings, indent=2) + "\n").encode(),
    }
