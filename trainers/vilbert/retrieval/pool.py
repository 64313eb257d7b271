"""Caption-based retrieval in a dataset of regions: the alignment head ranks images by captions (section 3.2).

The pool is that of the samples, each with its own caption, or with a file of captions that of its images, each with
several captions; then captions are ranked by images as well.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.evaluation.batches import EvaluationSettings, Figures, read_all
from corpusloom.trainers.evaluation.figures import check_finite
from corpusloom.trainers.evaluation.samples import dataset_source
from corpusloom.trainers.stream.reading.annotated_rows import AnnotatedSample
from corpusloom.trainers.stream.samples.typed import RegionsSample, TypedSample
from corpusloom.trainers.training.batches import to_device
from corpusloom.trainers.vilbert.data import check_width, region_inputs
from corpusloom.trainers.vilbert.downstream.join import JoinedAnnotations, join
from corpusloom.trainers.vilbert.model.pretraining import ViLBERT
from corpusloom.trainers.vilbert.page.retrieval_page import RetrievedPool, render_retrieval
from corpusloom.trainers.vilbert.page.samples import PageModel, read_class_names, sample_reader
from corpusloom.trainers.vilbert.retrieval.captioned import CaptionFiles
from corpusloom.trainers.vilbert.retrieval.figures import captioned_retrieval, retrieval
from corpusloom.trainers.vilbert.retrieval.scores import CaptionInputs, RegionInputs, score_pool
from corpusloom.trainers.vilbert.tokenizer import encode, token_id


@dataclass(frozen=True, slots=True)
class RetrievalTools:
    """Vocabulary of a model, and how captions and regions are cut."""

    tokenizer: Tokenizer
    tokens: int
    """Tokens per caption, [CLS] and [SEP] included."""
    regions: int
    """Regions per image, without IMG."""


@dataclass(frozen=True, slots=True)
class _PoolImage:
    """One image of the pool."""

    inputs: Mapping[str, np.ndarray]
    key: str
    """Key of its sample."""
    captions: tuple[str, ...]


def retrieve_samples(
    model: ViLBERT, tools: RetrievalTools, paths: Sequence[str], settings: EvaluationSettings, split: str | None = None
) -> Figures:
    """Return the figures of retrieval among the first samples of each dataset, or of one split of it."""

    page_model = _page_model(model, tools, settings)

    def read(sample: TypedSample) -> _PoolImage:
        return _PoolImage(_image(model, tools, sample), sample.key, (_of(sample).text,))

    with ExitStack() as closing:
        rows, skipped = read_all(dataset_source(paths, read, closing, split=split, limit=settings.limit), settings)
    scores, reused = _score(model, tools, rows, settings, paths)
    values = dict(retrieval(scores)) | {"skipped": float(len(skipped))}
    reader = sample_reader(paths, split, settings.limit, [row.key for row in rows])
    page = partial(render_retrieval, page_model, RetrievedPool(_texts(rows), _image_of(rows), scores, reader), values)
    return Figures(values, skipped, reused, page=page)


def retrieve_captioned(
    model: ViLBERT,
    tools: RetrievalTools,
    path: str,
    captioned: CaptionFiles,
    settings: EvaluationSettings,
    joined: JoinedAnnotations | None = None,
) -> Figures:
    """Return the figures of retrieval among the images of a file of captions, whose regions a dataset has.

    `joined` is the result of their join, if it is known. Raises InputError if fewer than two images can be read.
    """
    joined, page_model = joined or join(path, captioned.images), _page_model(model, tools, settings)

    def read(item: AnnotatedSample) -> _PoolImage:
        return _PoolImage(_image(model, tools, item.sample), item.sample.key, item.annotation.captions)

    with ExitStack() as closing:
        rows, skipped = read_all(dataset_source([path], read, closing, annotated=joined.rows), settings)
    if len(rows) < 2:
        raise InputError("one image alone cannot be ranked", where=path, remedy="give the regions of more images")
    texts, image_of = _texts(rows), _image_of(rows)
    scores, reused = _score(model, tools, rows, settings, [path])
    values = dict(captioned_retrieval(scores, image_of))
    values |= {"skipped": float(len(skipped)), "left_out": float(joined.left_out)}
    notes = (*captioned.notes, *joined.notes, *_cut(tools, texts))
    reader = sample_reader([path], None, None, [row.key for row in rows])
    page = partial(render_retrieval, page_model, RetrievedPool(texts, image_of, scores, reader), values)
    return Figures(values, skipped, reused, notes, page=page)


def _texts(rows: Sequence[_PoolImage]) -> list[str]:
    """Return the captions of all images, (M,)."""
    return [text for row in rows for text in row.captions]


def _image_of(rows: Sequence[_PoolImage]) -> Tensor:
    """Return the number of each caption's image, (M,)."""
    return torch.arange(len(rows)).repeat_interleave(torch.tensor([len(row.captions) for row in rows]))


def _page_model(model: ViLBERT, tools: RetrievalTools, settings: EvaluationSettings) -> PageModel:
    """Return what the page of the retrieval needs of the model, with the names of region classes in a file."""
    names = None if settings.classes is None else read_class_names(settings.classes, model.config.class_count)
    return PageModel(model, tools.tokenizer, tools.tokens, tools.regions, settings.batch_size, names)


def _of(sample: TypedSample) -> RegionsSample:
    if not isinstance(sample, RegionsSample):
        raise ConfigError("no regions", where="--data", remedy="loom build regions --from DATASET")
    return sample


def _image(model: ViLBERT, tools: RetrievalTools, sample: TypedSample) -> Mapping[str, np.ndarray]:
    """Return the model's inputs of an image."""
    found = _of(sample)
    check_width("feature_width", model.config.feature_width, found.features.shape[1], found.key)
    return region_inputs(found, tools.regions)


def _score(
    model: ViLBERT,
    tools: RetrievalTools,
    rows: Sequence[_PoolImage],
    settings: EvaluationSettings,
    paths: Sequence[str],
) -> tuple[Tensor, int]:
    """Return the scores of all captions with all images, (M, N), and how many batches were finished before."""
    device = model.word_bias.device
    stacked = {name: torch.from_numpy(np.stack([row.inputs[name] for row in rows])) for name in rows[0].inputs}
    regions = to_device(RegionInputs(stacked["features"], stacked["locations"], stacked["region_mask"]), device)
    ids = torch.from_numpy(np.stack([encode(tools.tokenizer, text, tools.tokens) for text in _texts(rows)]))
    captions = to_device(CaptionInputs(ids, ids != token_id(tools.tokenizer, "[PAD]")), device)
    scores, reused = score_pool(model, captions, regions, settings, ", ".join(paths))
    check_finite(scores, "captions", "scores")
    return scores, reused


def _cut(tools: RetrievalTools, texts: Sequence[str]) -> tuple[str, ...]:
    """Return a note for the user if captions are longer than the model reads."""
    cut = sum(len(tools.tokenizer.encode(text).ids) > tools.tokens for text in texts)
    return (f"{cut:,} of {len(texts):,} captions have more than {tools.tokens} tokens and are cut",) if cut else ()
