"""Evaluates a checkpoint on a dataset; `loom eval` calls it, with or without torchrun."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers import registry
from corpusloom.trainers.checkpoints import folders
from corpusloom.trainers.evaluation.batches import Evaluation, EvaluationSettings, Figures
from corpusloom.trainers.evaluation.figures import NotFiniteError
from corpusloom.trainers.evaluation.finished import content_digest, identity, records_digest
from corpusloom.trainers.evaluation.pages.picture_page import PicturePage, write_page
from corpusloom.trainers.evaluation.predictions import Prediction
from corpusloom.trainers.evaluation.written_texts import WrittenText
from corpusloom.trainers.jobs.interpolate import Interpolation, interpolate
from corpusloom.trainers.training import checkpoint, distributed
from corpusloom.trainers.training.config import FAMILIES
from corpusloom.trainers.training.hub.folders import is_model_folder, read_folder
from corpusloom.trainers.training.observe.heartbeat import watched_session

PAGES = (("clip", "zero-shot"), ("clip", "linear-probe"), ("vilbert", "retrieval"))
"""Family and evaluation of which there is a page."""
PARTIAL = ".partial"
"""End of the name of the folder in which a file's finished batches are kept until the file is written."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationResult:
    """Figures of a checkpoint on a dataset."""

    kind: str
    checkpoint: str
    data: str
    figures: Mapping[str, float]
    """Name -> value; NAME_low to NAME_high is its 95 % interval, NAME_n its trials, NAME_chance its value by chance."""
    skipped: tuple[str, ...]
    """A line per sample that could not be read: its key and the reason."""
    reused: int
    """Batches that a killed evaluation had finished."""
    interpolate: str | None = None
    """INITIAL:ALPHA, if the checkpoint's weights were interpolated with those of another model."""
    notes: tuple[str, ...] = ()
    """Remarks on the data, for the user."""
    predictions: tuple[Prediction, ...] = ()
    """Predictions of a classification, in the order of the images."""
    texts: tuple[WrittenText, ...] = ()
    """Texts that a model wrote."""
    files: tuple[str, ...] = ()
    """Paths of the files of outputs beside the result."""

    def to_plain(self) -> dict[str, Any]:
        """Return plain values, as in the file that `loom eval --out` writes."""
        plain: dict[str, Any] = {
            "kind": self.kind,
            "checkpoint": self.checkpoint,
            "data": self.data,
            "figures": dict(self.figures),
            "skipped": list(self.skipped),
        }
        if self.notes:
            plain["notes"] = list(self.notes)
        listed = [item.to_plain() for item in self.predictions] + [item.to_plain() for item in self.texts]
        if listed:
            plain["predictions"] = listed
        return plain


def evaluate(
    kind: str,
    path: str,
    data: str,
    settings: EvaluationSettings | None = None,
    *,
    assignments: Sequence[str] = (),
    interpolation: Interpolation | None = None,
    device: str | None = None,
    out: str | None = None,
    html: str | None = None,
) -> EvaluationResult:
    """Evaluate a checkpoint, a run's newest one, or a CLIP's folder of transformers or open_clip on a dataset.

    `kind` is an evaluation of the model's family. With `out` the result is written there as JSON, and batches that are
    finished are kept beside it until then, so that the same call resumes an evaluation that was killed. With `html` a
    page is written there: the pictures of a classification, or regions and captions of a ViLBERT's retrieval. Under
    torchrun every rank calls this and gets the result; rank 0 writes it. With `interpolation` the weights are first
    mixed with those of another model.
    """
    settings, family = replace(settings or EvaluationSettings(), writes=out is not None), family_of(path)
    known = registry.evaluations(family)
    if kind not in known:
        options = ", ".join(f"{name} for {other}" for other in FAMILIES for name in registry.evaluations(other))
        raise ConfigError(f"no {kind} evaluation of a {family}", where="loom eval", remedy=f"there are {options}")
    if html is not None and (family, kind) not in PAGES:
        raise ConfigError(f"{kind} of a {family} has no page", where="--html", remedy="leave --html out")
    if out is not None and storage.is_local(out):
        settings = replace(settings, partial=_partial_folder(out, kind, path, data, settings, interpolation))
    with watched_session(device) as place:
        model, tools = registry.load_evaluated(family, path, assignments)
        if interpolation is not None:
            interpolate(model, registry.read_attachments(path), interpolation)
        found = _figures(known[kind], model.to(place), tools, path, data, settings)
        result = EvaluationResult(
            kind=kind,
            checkpoint=path,
            data=data,
            figures=found.values,
            skipped=found.skipped,
            reused=found.reused,
            interpolate=None if interpolation is None else f"{interpolation.initial}:{interpolation.alpha}",
            notes=found.notes,
            predictions=found.predictions,
            texts=found.texts,
            files=() if out is None else tuple(f"{out.removesuffix('.json')}.{name}" for name in found.files),
        )
        if html is not None and distributed.rank() == 0:
            title = data.rstrip("/").rsplit("/", 1)[-1]
            if found.page is None:
                write_page(html, PicturePage(title, kind, path), found)
            else:
                storage.write_bytes(html, found.page(title, path).encode())
        if out is not None and distributed.rank() == 0:
            for name, content in zip(result.files, found.files.values(), strict=True):
                storage.write_bytes(name, content)
            storage.write_bytes(out, as_json(result.to_plain()).encode())
            storage.remove(out + PARTIAL, recursive=True)
    return result


def as_json(plain: dict[str, Any]) -> str:
    """Return a result as JSON, with one line per prediction."""
    text = json.dumps({name: value for name, value in plain.items() if name != "predictions"}, indent=1)
    if "predictions" not in plain:
        return text + "\n"
    lines = ",\n  ".join(map(json.dumps, plain["predictions"]))
    return f'{text.removesuffix("}").rstrip()},\n "predictions": [\n  {lines}\n ]\n}}\n'


def _figures(
    evaluation: Evaluation, model: Any, tools: Any, path: str, data: str, settings: EvaluationSettings
) -> Figures:
    """Return the figures of an evaluation; the error of a model without finite embeddings names its checkpoint."""
    try:
        return evaluation(model, tools, data, settings)
    except NotFiniteError as error:
        raise InputError(error.what, where=path, remedy=error.remedy) from error


def _partial_folder(
    out: str, kind: str, path: str, data: str, settings: EvaluationSettings, interpolation: Interpolation | None = None
) -> str:
    """Return the folder of finished batches: beside the result, and named by all that they depend on."""
    shape = asdict(replace(settings, workers=0, partial=None, writes=True, note=None))
    inputs = [data, settings.classes, settings.images, settings.pool, settings.ground_truth, *settings.annotations]
    digest = content_digest if settings.benchmark is None else records_digest
    read = [digest(place) for place in dict.fromkeys(inputs) if place is not None and storage.exists(place)]
    mixed = [] if interpolation is None else [_model_digest(interpolation.initial), interpolation.alpha]
    return storage.join(out + PARTIAL, identity(kind, _model_digest(path), *read, shape, *mixed))


def _model_digest(path: str) -> str:
    return content_digest(path if is_model_folder(path) else folders.find(path))


def family_of(path: str) -> str:
    """Return the family of a checkpoint, of a run's newest one, or of a model folder."""
    if is_model_folder(path):
        return registry.family_of(read_folder(path))
    return checkpoint.read_config(folders.find(path)).family
