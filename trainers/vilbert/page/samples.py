"""One caption and its image as a page shows them: regions, masked words and regions, attention between both."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.zero_shot.text_files import numbered_lines
from corpusloom.trainers.evaluation.samples import dataset_source
from corpusloom.trainers.stream.samples.typed import RegionsSample
from corpusloom.trainers.vilbert.data import region_inputs
from corpusloom.trainers.vilbert.model.attention import recorded_attention
from corpusloom.trainers.vilbert.model.pretraining import ViLBERT
from corpusloom.trainers.vilbert.page.masked import MaskedPrediction, inputs_of, predict_regions, predict_words
from corpusloom.trainers.vilbert.page.word_regions import WordRegionAttention, word_region_attention
from corpusloom.trainers.vilbert.tokenizer import encode, token_id


@dataclass(frozen=True, slots=True)
class PageModel:
    """A model, and how captions and regions become its inputs."""

    model: ViLBERT
    tokenizer: Tokenizer
    tokens: int
    """Tokens per caption, [CLS] and [SEP] included."""
    regions: int
    """Regions per image, without IMG."""
    rows: int
    """Forward passes that are computed together."""
    class_names: Sequence[str] | None = None
    """Names of the region classes; None: they are numbers."""

    def token_name(self, token: int) -> str:
        """Return a token's text, or its number if the model has more ids than the vocabulary has words."""
        name = self.tokenizer.id_to_token(token)
        return f"token {token}" if name is None else str(name)

    def class_name(self, number: int) -> str:
        """Return a region class's name."""
        return f"class {number}" if self.class_names is None else self.class_names[number]


@dataclass(frozen=True, slots=True)
class ExplainedSample:
    """One caption and its image, what the model predicts of them, and where it looks."""

    sample: RegionsSample
    caption: str
    words: tuple[str, ...]
    """Tokens of the caption as the model takes them, [CLS] and [SEP] included, without padding."""
    is_cut: bool
    """Whether the caption is longer than what the model takes."""
    regions: int
    """Regions that the model takes, without IMG; the dataset may have more."""
    masked_words: tuple[MaskedPrediction, ...]
    masked_regions: tuple[MaskedPrediction, ...]
    attention: WordRegionAttention
    """Attention of words and regions without masks and padding, (L, T, 1 + regions) and (L, 1 + regions, T)."""


def explain(given: PageModel, sample: RegionsSample, caption: str) -> ExplainedSample:
    """Return what the model makes of a caption beside an image."""
    model, tokenizer = given.model, given.tokenizer
    ids = encode(tokenizer, caption, given.tokens)
    inputs = inputs_of(model, ids, token_id(tokenizer, "[PAD]"), region_inputs(sample, given.regions))
    count, regions = int(inputs.token_mask.sum()), min(len(sample.boxes), given.regions)
    with torch.no_grad():
        with recorded_attention(model) as weights:
            model(inputs.tokens, inputs.token_mask, *inputs.visual)
        attention = word_region_attention(model, weights, given.tokens, given.regions + 1, row=0)
        masked_words = predict_words(model, inputs, tokenizer, given.rows)
        masked_regions = predict_regions(model, inputs, sample, given.rows)
    return ExplainedSample(
        sample=sample,
        caption=caption,
        words=tuple(given.token_name(int(token)) for token in ids[:count]),
        is_cut=len(tokenizer.encode(caption).ids) > given.tokens,
        regions=regions,
        masked_words=tuple(masked_words),
        masked_regions=tuple(masked_regions),
        attention=WordRegionAttention(
            attention.to_regions[:, :count, : 1 + regions].cpu(), attention.to_words[:, : 1 + regions, :count].cpu()
        ),
    )


def read_class_names(path: str, count: int) -> tuple[str, ...]:
    """Return the names of region classes in a file, one per line; of synonyms between commas the first.

    Raises ConfigError if the file has another number of names than the model has classes.
    """
    names = tuple(line.split(",")[0].split("\t")[0].strip() for _, line in numbered_lines(path))
    if len(names) != count:
        what = f"{len(names):,} names, and the model has {count:,} region classes"
        raise ConfigError(what, where=path, remedy="give the detector's classes in their order, one per line")
    return names


def sample_reader(paths: Sequence[str], split: str | None, limit: int | None, keys: Sequence[str]) -> "ReadSamples":
    """Return a function that reads some of each dataset's first `limit` samples again, by their numbers in `keys`."""

    def read(numbers: set[int]) -> Mapping[int, RegionsSample]:
        wanted = {keys[number]: number for number in numbers}
        with ExitStack() as closing:
            source = dataset_source(paths, lambda sample: sample, closing, split=split, limit=limit)
            named = ((source.name(item), item) for item in source.items)
            return {wanted[name]: source.read(item) for name, item in named if name in wanted}

    return read


ReadSamples = Callable[[set[int]], Mapping[int, RegionsSample]]
"""Numbers of images -> number -> sample."""
