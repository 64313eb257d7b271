"""The best share of the pairs is the same in one key range and in several, and needs no second scoring."""

from pathlib import Path

import pytest

from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.schemas import layout
from corpusloom.schemas.errors import ConfigError
from tests.pipelines.stages.scores.encoders import SEEN, colour_score
from tests.pipelines.stages.scores.scored_builds import ledger_of, picture, scored_build, scores_of, write_images

PAIRS = [(picture((20 * n, 240 - 20 * n, 9)), "rrr" if n < 10 else "rrr g") for n in range(12)]
TEXTS = [f"{text} {n}" for n, (_, text) in enumerate(PAIRS)]


def test_the_best_third_is_kept_over_any_number_of_key_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [(image, text) for (image, _), text in zip(PAIRS, TEXTS, strict=True)]
    source = write_images(tmp_path / "in", pairs)
    whole = scored_build(tmp_path, source, "whole", "filters.scores.clip.top_fraction=0.33").manifest
    best = sorted(pairs, key=lambda pair: -round(colour_score(*pair), 4))[
        :4
    ]  # the least whole number of a third or more
    assert scores_of(tmp_path / "whole").keys() == {text for _, text in best}
    assert len(ledger_of(tmp_path / "whole")["clip_top_fraction"]) == len(pairs) - len(best)
    SEEN.clear()
    monkeypatch.setattr(layout, "RECORDS_PER_SHARD", 3)
    changes = {"work": str(tmp_path / "other"), "shards": 1}
    parted = scored_build(tmp_path, source, "parted", "filters.scores.clip.top_fraction=0.33", **changes).manifest
    assert not SEEN
    assert whole is not None
    assert parted is not None
    assert parted.digest == whole.digest


@pytest.mark.parametrize("value", ["0.0", "1.5", "-1.0"])
def test_a_share_is_above_0_and_at_most_1(value: str) -> None:
    with pytest.raises(ConfigError, match="write a share above 0, at most 1"):
        load_recipe("align", [f"filters.scores.clip.top_fraction={value}"])
