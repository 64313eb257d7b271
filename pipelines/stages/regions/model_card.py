"""The model card of what finds regions: source, licence, training data, hash of weights and known limits.

A dataset of regions carries it in its README.md, since its features and class probabilities are the model's.
"""

from corpusloom.pipelines.models import detector
from corpusloom.pipelines.models.query_detector import read_model_card
from corpusloom.pipelines.recipes.region_settings import OFFLINE
from corpusloom.pipelines.stages.regions.sources import SourceIdentity

_TSV = """The regions are read from files that a detector wrote elsewhere. Their makers' documents have the detector's
source, licence, training data and limits. Features are rounded to float16. Boxes, and class probabilities if the files
have them, are theirs; a file with class numbers and confidences gives distributions of two classes: the class and the
background.

| file | SHA-256 |
| --- | --- |
{files}"""
_QUERIES = """A detector of transformers that predicts a box per query. A region's feature is the last hidden state of
its query; its class probabilities are the softmax of the model's logits, in the model's order of classes. At least
{least} and at most {most} boxes per image were asked for, with a score of {score} or more and an IoU of {overlap} or
less with a better box.

{card}"""
_NO_CARD = """The folder of the detector has no README.md. Its source, licence, training data and limits are not on
record."""


def model_card(finder: SourceIdentity) -> str:
    """Return the model card as Markdown."""
    settings, named = finder.settings, f"Detector and its settings: `{finder.label}`.\n\n"
    if settings.tsv:
        rows = (f"| {file.name.rsplit('/', 1)[-1]} | `{file.sha256}` |" for file in finder.files)
        return named + _TSV.format(files="\n".join(rows))
    if settings.detector == OFFLINE:
        return named + detector.MODEL_CARD
    return named + _QUERIES.format(
        least=settings.min_boxes,
        most=settings.max_boxes,
        score=settings.min_score,
        overlap=settings.max_overlap,
        card=read_model_card(settings.detector) or _NO_CARD,
    )
