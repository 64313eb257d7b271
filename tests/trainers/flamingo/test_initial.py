"""Fine-tuning of a trained Flamingo on a benchmark: initial weights, what it trains and what its checkpoints hold."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from corpusloom.pipelines.cli import main
from corpusloom.schemas.errors import ConfigError, DamageError, InputError
from corpusloom.trainers import registry
from corpusloom.trainers.checkpoints.folders import find, read_commit
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.flamingo.initial import build_model, complete, frozen_parts, initial_model
from corpusloom.trainers.flamingo.task import load_evaluated
from corpusloom.trainers.jobs.evaluate import evaluate
from corpusloom.trainers.jobs.train import run
from corpusloom.trainers.training.checkpoint import load_model
from corpusloom.trainers.training.config import RunConfig, load_config
from tests.trainers.datasets import coloured_pairs, write_pairs
from tests.trainers.flamingo.benchmarks.folders import coloured_okvqa
from tests.trainers.saved_weights import saved_weights

SMALL = ["train.batch_size=2", "train.threads=1", "train.workers=0", "train.precision=fp32", "train.warmup=0"]
SIZE = 48
"""Side of the images in fine-tuning; the base run has 32."""
VIT = [
    "train.steps=1", "model.image.layers=1", "model.image.patch=8", "model.image.width=32", "model.image.heads=2",
]  # fmt: skip
"""Changes of clip-tiny: a vision transformer, whose features say something of an image without training."""


@dataclass(frozen=True)
class Runs:
    """A CLIP, a Flamingo that is hardly trained, and the files of a benchmark with its training split as a dataset."""

    folder: Path

    @property
    def base(self) -> str:
        """The run of Flamingo."""
        return str(self.folder / "base")

    @property
    def asked(self) -> str:
        """The dataset."""
        return str(self.folder / "asked")

    @property
    def okvqa(self) -> str:
        """The benchmark's files."""
        return str(self.folder / "okvqa")

    def config(self, *assignments: str, init: str | None = None, steps: int = 2) -> RunConfig:
        """Return the configuration of a small fine-tuning."""
        source = f"model.init={json.dumps(init or self.base)}"
        own = [source, f"data.size={SIZE}", "data.pair_tokens=32", f"train.steps={steps}"]
        return load_config("flamingo-adapt", [*own, *SMALL, "train.checkpoint_every=2", *assignments])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Return small runs and data."""
    folder = tmp_path_factory.mktemp("adapt")
    pairs = write_pairs(folder / "pairs", coloured_pairs(8))
    run("clip", load_config("clip-tiny", [*VIT, *SMALL]), [pairs], str(folder / "clip"))
    vision = f"model.vision.checkpoint={json.dumps(str(folder / 'clip'))}"
    shape = ["train.steps=1", "model.pool=mean", "model.gate=none"]
    run("flamingo", load_config("flamingo-tiny", [*SMALL, vision, *shape]), [f"align={pairs}"], str(folder / "base"))
    coloured_okvqa(folder / "okvqa", 64)
    argv = ["benchmark-data", "okvqa", "--data", str(folder / "okvqa"), "--out", str(folder / "asked")]
    assert main.run(argv) == 0
    return Runs(folder)


def test_shapes_frozen_parts_and_the_towers_shape_come_from_the_run(runs: Runs) -> None:
    config = complete(runs.config(), typed={"model.init", "data.size"})
    assert config.model["pool"] == "mean"
    assert config.model["language"]["weights"] == "bundled"
    assert config.model["vision"]["shape"]["image"]["size"] == 32
    assert Path(config.model["vision"]["checkpoint"]).parent.parent == runs.folder / "clip"
    assert complete(config) == config
    assert set(frozen_parts(config)) == {"model.language.weights"}
    frozen = complete(runs.config("model.vision.freeze=true"), typed={"model.init", "model.vision.freeze"})
    assert set(frozen_parts(frozen)) == {"model.language.weights", "model.vision.checkpoint"}
    inherited = complete(load_config("flamingo-tiny", [f"model.init={json.dumps(runs.base)}"]), typed={"model.init"})
    assert (inherited.model["pool"], inherited.data["size"]) == ("mean", None)


def test_training_begins_with_the_weights_of_the_run_and_interpolated_positions(runs: Runs) -> None:
    config = complete(runs.config("model.gate_lr_factor=3.0"), typed={"model.init"})
    found, base = initial_model(config), load_model(runs.base, build_model)[0]
    own, others = found.state_dict(), base.state_dict()
    different = {name for name, value in own.items() if value.shape != others[name].shape}
    assert different == {"vision.positions"}
    assert all(torch.equal(value, others[name]) for name, value in own.items() if name not in different)
    assert (found.image_size, found.lr_factor("gated.0.ffw_gate")) == (SIZE, 3.0)
    trained = {name.split(".")[0] for name, value in found.named_parameters() if value.requires_grad}
    assert trained == {"vision", "resampler", "gated", "end_of_chunk"}
    half = runs.config('model.language.dtype="bf16"')
    bf16 = initial_model(complete(half, typed={"model.init", "model.language.dtype"}))
    assert {value.dtype for value in bf16.language.parameters()} == {torch.bfloat16}


def test_a_resumed_run_ends_with_the_same_weights_and_its_checkpoint_needs_no_vision_encoder_beside_it(
    runs: Runs, tmp_path: Path
) -> None:
    moved = tmp_path / "runs"
    for name in ("base", "clip"):
        shutil.copytree(runs.folder / name, moved / name)
    here = f"model.vision.checkpoint={json.dumps(str(moved / 'clip'))}"
    config = runs.config(here, init=str(moved / "base"), steps=4)
    whole = run("flamingo", config, [runs.asked], str(tmp_path / "out"))
    first = saved_weights(whole.checkpoint or "")
    start = initial_model(complete(config)).state_dict()
    assert not torch.equal(first["vision.patch_embedding.weight"], start["vision.patch_embedding.weight"])
    assert {name for name in start if name.startswith("vision.")} <= first.keys()
    assert torch.equal(first["vision.projection.weight"], start["vision.projection.weight"])  # after the grid
    assert set(read_commit(find(str(tmp_path / "out")))["frozen"]) == {"model.language.weights"}
    shutil.rmtree(whole.checkpoint or "")
    shutil.rmtree(moved)  # neither the run from which it began nor its vision encoder is needed any more
    again = run("flamingo", config, [runs.asked], str(tmp_path / "out"))
    assert again.resumed_at == 2
    second = saved_weights(again.checkpoint or "")
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    loaded, transform = load_evaluated(str(tmp_path / "out"))
    assert transform.size == SIZE
    assert all(torch.equal(value, loaded.state_dict()[name].view_as(value)) for name, value in first.items())
    assert registry.open_model(str(tmp_path / "out")).family == "flamingo"


def test_an_adapted_run_answers_questions_about_unseen_pictures_better_than_the_run_from_which_it_began(
    runs: Runs, tmp_path: Path
) -> None:
    learning = ["train.lr=3e-3", "train.batch_size=16", "train.warmup=3", "train.checkpoint_every=100"]
    config = runs.config(*learning, steps=60)
    run("flamingo", config, [runs.asked], str(tmp_path / "adapted"))
    settings = EvaluationSettings(benchmark="okvqa", shots=(0,), text_shots=0, beams=1, workers=1)
    accuracy = {
        name: evaluate("few-shot", path, runs.okvqa, settings).figures["0_shots.vqa_accuracy"]
        for name, path in (("base", runs.base), ("adapted", str(tmp_path / "adapted")))
    }
    assert accuracy["base"] < 0.1
    assert accuracy["adapted"] > 0.6


def test_an_adapted_run_can_be_adapted_again_with_its_own_vision_weights(runs: Runs, tmp_path: Path) -> None:
    first = run("flamingo", runs.config(), [runs.asked], str(tmp_path / "first"))
    trained = saved_weights(first.checkpoint or "")["vision.patch_embedding.weight"]
    config = complete(runs.config(f"data.size={SIZE + 32}", init=str(tmp_path / "first")), typed={"model.init"})
    model = initial_model(config)
    assert torch.equal(model.vision.state_dict()["patch_embedding.weight"], trained)
    assert model.image_size == SIZE + 32
    with pytest.raises(ConfigError, match=r"has trained its vision encoder.*model\.vision\.freeze=false"):
        complete(runs.config("model.vision.freeze=true", init=str(tmp_path / "first")))


def test_a_vision_encoder_is_trained_without_a_run_to_begin_from(runs: Runs) -> None:
    vision = f"model.vision.checkpoint={json.dumps(str(runs.folder / 'clip'))}"
    config = complete(load_config("flamingo-tiny", [vision, "model.vision.freeze=false"]))
    assert set(frozen_parts(config)) == {"model.language.weights"}
    weights = saved_weights(find(str(runs.folder / "clip")))
    own = initial_model(config).vision.state_dict()
    assert all(torch.equal(value, weights[f"image.{name}"].view_as(value)) for name, value in own.items())
    with pytest.raises(InputError, match=r"model\.vision\.checkpoint is not there"):
        complete(load_config("flamingo-tiny", ["model.vision.checkpoint=no/such", "model.vision.freeze=false"]))


def test_a_run_that_is_missing_unfinished_or_of_another_family_is_refused(runs: Runs, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.init: is not there.*give a run of loom train flamingo"):
        complete(runs.config(init=str(tmp_path / "none")))
    (tmp_path / "half" / "checkpoints" / "step-00000002").mkdir(parents=True)
    with pytest.raises(InputError, match=r"model\.init: no complete checkpoint"):
        complete(runs.config(init=str(tmp_path / "half")))
    with pytest.raises(InputError, match=r"model\.init: a checkpoint of a clip, not of a Flamingo"):
        complete(runs.config(init=str(runs.folder / "clip")))


def test_a_typed_shape_that_contradicts_the_run_is_refused_with_both_values(runs: Runs) -> None:
    with pytest.raises(ConfigError, match=r'model\.pool is "resampler", and "mean" in .*base.*leave model\.pool out'):
        complete(runs.config("model.pool=resampler"), typed={"model.init", "model.pool"})


def test_frozen_parts_of_the_run_that_changed_are_refused(runs: Runs, tmp_path: Path) -> None:
    other = write_pairs(tmp_path / "pairs", coloured_pairs(8))
    run("clip", load_config("clip-tiny", [*VIT, *SMALL, "train.rng_seed=1"]), [other], str(tmp_path / "clip"))
    config = complete(runs.config(f"model.vision.checkpoint={json.dumps(str(tmp_path / 'clip'))}"))
    with pytest.raises(DamageError, match=r"frozen part model\.vision\.checkpoint differs"):
        initial_model(config)


def test_a_size_that_does_not_fit_is_refused_before_any_data(runs: Runs, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.size is 70.*multiples of 8"):
        run("flamingo", runs.config("data.size=70"), ["no/such/dataset"], str(tmp_path))
