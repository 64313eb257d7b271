"""The stage that scores stored images: each content once per model, and never with two versions of a model."""

from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest
from numpy.typing import NDArray

from corpusloom.pipelines.models import scorer_registry
from corpusloom.pipelines.models.identity import ModelIdentity
from corpusloom.pipelines.stages.fetch.scores import build, check_scorer, missing_scores
from corpusloom.pipelines.store.images.outcomes import FetchedImage
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.schemas.errors import ConfigError
from tests.pipelines.store.store_maker import DATE, answer, fill, png, wanted

IDENTITY = ModelIdentity("brightness", "1.0", "a" * 64)


class Brightness:
    identity = IDENTITY

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return (pixels.mean((1, 2, 3)) / 255).astype(np.float32)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImageStore:
    monkeypatch.setitem(scorer_registry.SCORERS, "brightness", Brightness)
    truncated = FetchedImage(body=png(4, 64)[:2_000], fetched_at=DATE)
    return fill(tmp_path, [("a", answer(1)), ("again", answer(1)), ("b", answer(2)), ("broken", truncated)])


KEYS = [wanted(name).key for name in ("a", "again", "b", "broken", "never fetched")]


def score(store: ImageStore, keys: list[str]) -> int:
    """Compute the missing scores of some images; return the number of images that were scored."""
    batches = missing_scores(store, keys, "brightness")
    with beam.Pipeline() as pipeline:
        build(pipeline, store.folder, "brightness", batches)
    return sum(map(len, batches))


def test_each_content_is_scored_once(store: ImageStore) -> None:
    assert score(store, KEYS[:2]) == 1
    assert score(store, KEYS) == 2
    assert score(store, KEYS) == 0
    scores = store.scores("brightness")
    rows = {name: store.index().find(wanted(name).key) for name in ("a", "b", "broken")}
    values = {name: scores[row.sha256 or ""] for name, row in rows.items() if row}
    assert values["broken"] is None
    assert 0.3 < (values["a"] or 0) < 0.7
    assert values["a"] != values["b"]


@pytest.mark.parametrize(
    "other", [ModelIdentity("brightness", "1.1", "a" * 64), ModelIdentity("brightness", "1.0", "b" * 64)]
)
def test_scores_of_another_version_or_other_weights_are_not_mixed(
    store: ImageStore, other: ModelIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_scorer(store, "brightness")
    check_scorer(store, "brightness")
    monkeypatch.setattr(Brightness, "identity", other)
    with pytest.raises(ConfigError, match=r"remove .*brightness"):
        check_scorer(store, "brightness")


def test_a_scorer_that_is_not_installed_is_refused_before_anything_runs(store: ImageStore) -> None:
    with pytest.raises(ConfigError, match="no image scorer"):
        check_scorer(store, "nothing")
