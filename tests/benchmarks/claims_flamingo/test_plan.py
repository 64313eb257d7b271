"""The plan: every variant is a configuration that loads and differs from the base run in one thing."""

import json
from pathlib import Path

import pytest

from benchmarks.claims_flamingo import plan
from benchmarks.claims_flamingo.claims import CLAIMS, variants_of
from corpusloom.trainers.flamingo.task import build_objective, data_config, parts
from corpusloom.trainers.jobs.train import parse_datasets
from corpusloom.trainers.training.config import load_config

DATA = plan.Datasets("pages/index", "pairs/index", "exam/index")
CHANGED = {
    "round robin": {"mixing", "steps"},
    "pairs only": {"pages"},
    "no gates": {"gate"},
    "mean pooling": {"pool"},
}


def changes(variant: plan.Variant) -> dict[str, object]:
    run = plan.run_of(variant, plan.FULL, DATA, Path("clip"), 0)
    config, datasets = load_config(run.config, run.settings), parse_datasets(run.data)
    build_objective(config, datasets)  # every weighted dataset is there
    shape, data = parts(config)[0], data_config(config)
    return {
        "steps": config.train.steps, "batch": config.train.batch_size, "mixing": data.mixing, "gate": shape.gate,
        "pool": shape.pool, "pages": "pages" in datasets,
    }  # fmt: skip


@pytest.mark.parametrize("variant", variants_of(list(CLAIMS))[1:], ids=lambda variant: variant.name)
def test_a_variant_differs_from_the_base_run_in_what_its_name_says(variant: plan.Variant) -> None:
    base, own = changes(plan.BASE), changes(variant)
    assert {name for name in base if base[name] != own[name]} == CHANGED[variant.name]


def test_a_round_robin_sees_as_many_samples_in_twice_the_steps() -> None:
    assert changes(plan.ROUND_ROBIN)["steps"] == 2 * plan.FULL.steps


def test_other_frozen_weights_or_another_clip_are_another_run(tmp_path: Path) -> None:
    for name in ("pages", "pairs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(json.dumps({"kind": name}))
    data = plan.Datasets(str(tmp_path / "pages"), str(tmp_path / "pairs"), "exam")
    folders = {plan.run_of(plan.BASE, plan.FULL, data, Path(clip), 0).folder(tmp_path) for clip in ("one", "other")}
    assert len(folders) == 2
