"""A language model's tokenizer: texts to ids and back; a byte-level BPE can be learnt from texts."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from corpusloom.schemas.errors import ConfigError, InputError

BOS, EOS, PAD = "<BOS>", "<EOS>", "<PAD>"
"""Special tokens of a tokenizer that is learnt here."""
TOKENIZER, SPECIAL = "tokenizer.json", "tokenizer_config.json"
"""Names of a tokenizer's two files, as in Hugging Face's layout."""


@dataclass(frozen=True)
class TextTokenizer:
    """Turns texts into ids and back. A text of training begins with `bos` and ends with `eos`."""

    tokenizer: Tokenizer
    bos: int
    """Id before a text; of a model without one, the id of the end."""
    eos: int
    """Id after a text."""
    pad: int
    """Id of padding, which no loss counts; of a model without one, the id of the end."""

    def ids(self, text: str) -> list[int]:
        """Return a text's ids, without special tokens."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def text(self, ids: Iterable[int]) -> str:
        """Return the text of ids, without special tokens."""
        return str(self.tokenizer.decode(list(ids)))

    def files(self) -> dict[str, bytes]:
        """Return the tokenizer's two files by name, which Hugging Face's libraries read too."""
        names = {"bos_token": self.bos, "eos_token": self.eos, "pad_token": self.pad}
        special = {name: self.tokenizer.id_to_token(number) for name, number in names.items()}
        plain = {"tokenizer_class": "PreTrainedTokenizerFast", **special, "clean_up_tokenization_spaces": False}
        return {
            TOKENIZER: self.tokenizer.to_str().encode(),
            SPECIAL: (json.dumps(plain, indent=1) + "\n").encode(),
        }

    def check_fits(self, rows: int, where: str) -> None:
        """Raise ConfigError if an id has no row in an embedding."""
        largest = max(self.tokenizer.get_vocab(with_added_tokens=True).values())
        if largest >= rows:
            raise ConfigError(
                f"the tokenizer's largest id is {largest}, the embedding has {rows} rows",
                where=where,
                remedy="use the tokenizer that belongs to the weights",
            )


def read_files(files: Mapping[str, bytes], where: str) -> TextTokenizer:
    """Return the tokenizer of what `TextTokenizer.files` returned."""
    tokenizer, special = Tokenizer.from_str(files[TOKENIZER].decode()), json.loads(files[SPECIAL])
    return _with_special(tokenizer, [special[name] for name in ("bos_token", "eos_token", "pad_token")], where)


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> TextTokenizer:
    """Return a byte-level BPE trained on texts; its first ids are <PAD>, <BOS> and <EOS>."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _with_special(tokenizer, [BOS, EOS, PAD], "tokenizer")


def _with_special(tokenizer: Tokenizer, names: Sequence[str], where: str) -> TextTokenizer:
    """Return a tokenizer with the ids of its begin, end and padding tokens."""
    ids = [number for name in names if (number := tokenizer.token_to_id(name)) is not None]
    if len(ids) < len(names):
        raise InputError(f"{SPECIAL} names a token that {TOKENIZER} lacks", where=where)
    return TextTokenizer(tokenizer, *ids)
