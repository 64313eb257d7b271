"""Training configurations: every shipped file is valid, and errors name a remedy."""

from pathlib import Path

import pytest

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.training.config import RunConfig, config_names, from_plain, load_config
from tests.trainers.training.toy import toy_config

CONFIGS = Path(__file__).parents[3] / "trainers" / "configs"


def test_every_shipped_configuration_is_found() -> None:
    assert config_names() == sorted(path.stem for path in CONFIGS.glob("*/*.toml"))
    assert {"clip-tiny", "clip-vit-b-32", "clip-rn50x64"} <= set(config_names())


@pytest.mark.parametrize("name", config_names())
def test_a_shipped_configuration_builds_and_comes_back_from_its_plain_form(name: str) -> None:
    config = load_config(name)
    assert config.name == name
    assert name.partition("-")[0] in (config.family, {"clip": "siglip"}.get(config.family))
    assert from_plain(config.to_plain()) == config


@pytest.mark.parametrize("name", config_names())
def test_a_shipped_configuration_opens_with_the_paper(name: str) -> None:
    text = next(CONFIGS.glob(f"*/{name}.toml")).read_text()
    header = text[: text.index("family")]
    assert header.startswith("# ")
    assert "(arXiv " in header


def test_assignments_override_a_file() -> None:
    config = load_config("clip-tiny", ["train.lr=1e-4", "model.image.size=40", "train.steps=60"])
    assert (config.train.lr, config.train.steps, config.model["image"]["size"]) == (1e-4, 60, 40)


def test_a_toml_path_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('family = "clip"\nname = "mine"\n[train]\nsteps = 3\nbatch_size = 2\nlr = 1\n')
    assert load_config(str(path)).train.lr == 1.0
    assert load_config(str(path)).name == "mine"


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="clip-tiny"):
        load_config("clip-huge")


def test_an_unknown_key_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"did you mean train\.warmup"):
        load_config("clip-tiny", ["train.warmpu=3"])


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 0},
        {"batch_size": 0},
        {"lr": 0.0},
        {"schedule": "sudden"},
        {"precision": "fp8"},
        {"log_every": 0},
        {"keep": 0},
    ],
    ids=str,
)
def test_impossible_values_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        toy_config(**change)


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(ConfigError, match="one of clip, flamingo, lm, vilbert"):
        RunConfig(family="gpt", train=toy_config())


def test_fewer_steps_shorten_a_warmup_to_its_share_and_say_so() -> None:
    notes: list[str] = []
    config = load_config("clip-tiny", ["train.steps=40"], on_note=notes.append)
    assert (config.train.steps, config.train.warmup) == (40, 2)
    assert notes == ["train.warmup is 2, not 50: the same share of 40 steps as of 750"]


@pytest.mark.parametrize("assignments", [["train.steps=100"], ["train.steps=9", "train.warmup=3"], []])
def test_a_warmup_that_fits_or_is_assigned_stays(assignments: list[str]) -> None:
    notes: list[str] = []
    config = load_config("clip-tiny", assignments, on_note=notes.append)
    assert config.train.warmup == (3 if "train.warmup=3" in assignments else 50)
    assert notes == []


def test_off_unsets_a_key_that_may_be_unset() -> None:
    assert load_config("clip-tiny", ["train.grad_clip=off"]).train.grad_clip is None
    with pytest.raises(ConfigError, match=r"train\.lr is None, not a number"):
        load_config("clip-tiny", ["train.lr=off"])


def test_a_warmup_longer_than_the_run_is_shortened_with_a_note() -> None:
    notes: list[str] = []
    config = load_config("clip-tiny", ["train.steps=10", "train.warmup=40"], on_note=notes.append)
    assert config.train.warmup == 10
    assert notes == ["train.warmup is 10, not 40: there are 10 steps"]
    assert load_config("clip-tiny", ["train.warmup=0.1"]).train.warmup_steps == 75


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("parallel.shard=0", "shard is 0"),
        ("parallel.tensor=0", "tensor is 0"),
        ("train.ema=1.0", "ema is 1.0"),
        ("train.accumulate=0", "accumulate is 0"),
        ("train.warmup=-1", "warmup is -1"),
        ("train.groups.image.lr_facto=1", r"did you mean train\.groups\.image\.lr_factor"),
    ],
)
def test_mistakes_in_the_tables_of_training_are_named(change: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config("clip-tiny", [change])


def test_groups_are_tables_by_pattern() -> None:
    config = load_config("clip-tiny", ["train.groups={'image.*' = {freeze = true}, logit_scale = {lr_factor = 0.1}}"])
    assert config.train.groups["image.*"].freeze
    assert config.train.groups["logit_scale"].lr_factor == 0.1
    assert from_plain(config.to_plain()) == config
