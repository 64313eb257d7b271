"""Scores are found by image and text, whatever part they are in."""

from pathlib import Path

from corpusloom.pipelines.store.model_scores import Found, ModelScores, commit, score_key, scores_folder, text_sha256
from corpusloom.schemas.records import ModelScore


def row(image: str, text: str, score: float | None, error: str | None = None) -> ModelScore:
    return ModelScore(key=score_key(image, text), sha256=image, text_sha256=text, score=score, error=error)


def test_scores_and_reasons_of_all_parts_are_found(tmp_path: Path) -> None:
    folder = scores_folder(str(tmp_path), "clip", "ab" * 32)
    assert folder == str(tmp_path / "scores" / ("clip-" + "ab" * 8))
    assert len(ModelScores.read(folder)) == 0
    assert ModelScores.read(folder).find("a", "t") is None
    commit(folder, [row("b", "t", None, "truncated"), row("a", "t", 0.25)])
    commit(folder, [row("a", "", -0.5)])
    commit(folder, [row("a", "", -0.5)])  # as a killed run writes it again
    found = ModelScores.read(folder)
    assert len(found) == 3
    assert len([*Path(folder).iterdir()]) == 2
    assert found.find("a", "t") == Found(0.25)
    assert found.find("b", "t") == Found(None, "truncated")
    assert found.find("a") == Found(-0.5)
    assert found.find("b") is None


def test_no_text_has_no_hash_and_half_a_surrogate_pair_has_one() -> None:
    assert text_sha256("") == ""
    assert len(text_sha256("\ud800")) == 64
