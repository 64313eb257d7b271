"""Only images that can be scored, with a text that has no score yet, are found."""

from pathlib import Path

import pytest

from corpusloom.pipelines.builds.plan import Planner
from corpusloom.pipelines.builds.run_stages import Stages
from corpusloom.pipelines.stages.scores.unscored import StoredImages, key_ranges, unscored_texts
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.model_scores import ModelScores, commit, score_key, text_sha256
from corpusloom.schemas.records import ModelScore
from tests.pipelines.small_web import QUIET
from tests.pipelines.stages.scores.scored_builds import picture, scored_build, scored_config, write_images


def test_what_has_a_score_or_cannot_be_decoded_is_left_out(tmp_path: Path) -> None:
    good, broken = picture((1, 2, 3)), picture((4, 5, 6))[:-30]
    source = write_images(tmp_path / "in", [(good, "r"), (good, "g"), (broken, "b")])
    scored_build(tmp_path, source, "out")
    config = scored_config(tmp_path, source, "out")
    planner = Planner(config)
    extract, inputs = planner.planned_pages()
    select = planner.plan_select(extract)
    records = Stages(planner, QUIET).selected_records("folder", inputs, select)
    store, folder = ImageStore(config.store), str(tmp_path / "scores")
    images = StoredImages(store, store.index())
    found = [*unscored_texts(0, 1, records, images, ModelScores.read(folder))]
    assert sorted(item.text for item in found) == ["g", "r"]
    (sha256,) = {item.sha256 for item in found}
    name = text_sha256("g")
    commit(folder, [ModelScore(key=score_key(sha256, name), sha256=sha256, text_sha256=name, score=0.5)])
    parts = [[*unscored_texts(part, 4, records, images, ModelScores.read(folder))] for part in range(4)]
    assert [item.text for part in parts for item in part] == ["r"]


@pytest.mark.parametrize(("local", "expected"), [(True, [[0], [1], [2], [3]]), (False, [[0, 1, 2, 3]])])
def test_one_machine_takes_a_range_at_a_time(local: bool, expected: list[list[int]]) -> None:
    assert key_ranges(4, local=local) == expected
