"""Regions and captions as ViLBERT's tensors: WordPiece tokens, masking, locations, the IMG region (section 3.1)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from schemas.errors import ConfigError
from trainers.stream.samples import RegionsSample, Sample
from trainers.vilbert.objective import IGNORE

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """What training asks of the data."""

    tokens: int = 36
    """Tokens a caption, [CLS] and [SEP] included; longer ones are cut."""
    regions: int = 36
    """Regions an image, besides IMG."""
    mask: float = 0.15
    """Share of words and of regions that are masked, independently."""
    vocab_size: int = 30_522
    """Of a vocabulary that is trained on the captions; unused with `vocabulary`."""
    vocabulary: str | None = None
    """Path of a BERT vocab.txt."""


def train_tokenizer(captions: Iterable[str], vocab_size: int) -> Tokenizer:
    """Return a lower-casing WordPiece tokenizer trained on captions."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106
    trainer = trainers.WordPieceTrainer(vocab_size=vocab_size, special_tokens=list(SPECIAL), show_progress=False)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(captions, trainer)
    return _finish(tokenizer)


def read_vocabulary(path: str) -> Tokenizer:
    """Return BERT's uncased tokenizer over a vocab.txt."""
    tokenizer = Tokenizer(models.WordPiece.from_file(path, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return _finish(tokenizer)


def _finish(tokenizer: Tokenizer) -> Tokenizer:
    sep, cls = token_id(tokenizer, "[SEP]"), token_id(tokenizer, "[CLS]")
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", sep), ("[CLS]", cls))
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def token_id(tokenizer: Tokenizer, name: str) -> int:
    """Return a special token's id; a vocabulary without it is an error."""
    number = tokenizer.token_to_id(name)
    if number is None:
        raise ConfigError(f"the vocabulary lacks {name}", where="data.vocabulary")
    return int(number)


def encode(tokenizer: Tokenizer, text: str, length: int) -> np.ndarray:
    """Return a caption's token ids, int64 (length,), padded with [PAD]; a long one keeps its [SEP]."""
    ids = tokenizer.encode(text).ids
    if len(ids) > length:
        ids = [*ids[: length - 1], ids[-1]]
    return np.array(ids + [token_id(tokenizer, "[PAD]")] * (length - len(ids)), np.int64)


def mask_words(
    ids: np.ndarray, tokenizer: Tokenizer, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return masked ids and labels (-1 where not masked): of `share` 80 % [MASK], 10 % any word, 10 % unchanged."""
    special = np.isin(ids, [token_id(tokenizer, name) for name in ("[PAD]", "[CLS]", "[SEP]")])
    chosen = (rng.random(len(ids)) < share) & ~special
    draw = rng.random(len(ids))
    words = rng.integers(0, tokenizer.get_vocab_size(), len(ids))
    masked = np.where(draw < 0.8, token_id(tokenizer, "[MASK]"), np.where(draw < 0.9, words, ids))
    return np.where(chosen, masked, ids), np.where(chosen, ids, IGNORE)


def locations(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return x1/W, y1/H, x2/W, y2/H and the share of the area: (n, 4) in pixels -> (n, 5)."""
    scaled = boxes / np.array([width, height, width, height], np.float32)
    area = (scaled[:, 2] - scaled[:, 0]) * (scaled[:, 3] - scaled[:, 1])
    return np.concatenate([scaled, area[:, None]], axis=1).astype(np.float32)


def region_arrays(sample: RegionsSample, limit: int, share: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return an image's arrays with IMG first: 15 % of the regions masked, of those 90 % zeroed (their box stays)."""
    count = min(len(sample.boxes), limit)
    features = np.zeros((limit + 1, sample.features.shape[1]), np.float32)
    places = np.zeros((limit + 1, 5), np.float32)
    present = np.arange(limit + 1) <= count
    described = sample.info["regions"]
    chosen = rng.random(count) < share
    zeroed = chosen & (rng.random(count) < 0.9)
    features[1 : count + 1] = np.where(zeroed[:, None], 0, sample.features[:count])
    places[1 : count + 1] = locations(sample.boxes[:count], described["image_width"], described["image_height"])
    features[0] = features[1 : count + 1].mean(0)  # over the number of boxes, zeros included, never over padding
    places[0] = (0, 0, 1, 1, 1)
    probabilities = np.zeros((limit, sample.class_probs.shape[1]), np.float16)
    probabilities[:count] = sample.class_probs[:count]
    masked = np.zeros(limit, bool)
    masked[:count] = chosen
    return {
        "features": features.astype(np.float16),
        "locations": places,
        "region_mask": present,
        "masked_regions": masked,
        "class_probs": probabilities,
    }


@dataclass(frozen=True)
class PretrainingTransform:
    """A regions sample -> one row of each tensor of a batch."""

    tokenizer: Tokenizer
    config: DataConfig
    masking: bool = True
    """Off for evaluation."""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Mapping[str, np.ndarray]:
        """Return tokens, labels, masks and region arrays."""
        if not isinstance(sample, RegionsSample):
            raise ConfigError("ViLBERT trains on regions", where="--data", remedy="loom build regions --from DATASET")
        share = self.config.mask if self.masking else 0.0
        original = encode(self.tokenizer, sample.text, self.config.tokens)
        tokens, labels = mask_words(original, self.tokenizer, share, rng)
        pad = token_id(self.tokenizer, "[PAD]")
        return {
            "original": original,
            "tokens": tokens,
            "token_mask": original != pad,
            "word_labels": labels,
            **region_arrays(sample, self.config.regions, share, rng),
        }
