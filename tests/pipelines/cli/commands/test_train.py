"""`loom train` describes and prints a configuration without data, and needs a folder for checkpoints."""

import json
import sys
from pathlib import Path

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.training import distributed
from tests.pipelines.small_web import SmallWeb
from tests.trainers.clip.folders import hf_folder


def test_print_config_shows_changed_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["train", "clip", "--config", "clip-tiny", "--set", "train.steps=70", "--print-config"]) == 0
    assert json.loads(capsys.readouterr().out)["train"]["steps"] == 70


def test_a_dry_run_counts_parameters_as_text_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["train", "clip", "--config", "clip-tiny", "--dry-run", "--json"]) == 0
    total = json.loads(capsys.readouterr().out)["parameters"]["total"]
    assert total > 0
    assert main.run(["train", "clip", "--config", "clip-tiny", "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"clip-tiny: {total:,} parameters, ")
    assert all(word in text for word in ("memory per device of 1", "activations", "GFLOP per device and step"))


def test_the_shape_is_that_of_the_folder_unless_it_is_typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, _ = hf_folder(tmp_path / "hf")
    argv = ["train", "clip", "--config", "clip-tiny", "--set", f"model.init={folder}"]
    assert main.run([*argv, "--print-config"]) == 0
    assert json.loads(capsys.readouterr().out)["model"]["image"]["layers"] == 2
    assert main.run([*argv, "model.image.size=32", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"]["total"] > 20_000
    with pytest.raises(ConfigError, match=r"model\.embed_dim is 64, and 8 in .*hf .leave model\.embed_dim out"):
        main.run([*argv, "model.embed_dim=64", "--print-config"])


@pytest.mark.parametrize("flags", [["--dry-run"], ["--print-config"], ["--data", "x", "--out", "y"]])
def test_a_configuration_of_another_family_is_refused_first(flags: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"clip-tiny configures clip, not flamingo \(see loom list configs\)"):
        main.run(["train", "flamingo", "--config", "clip-tiny", *flags])


def test_a_task_has_its_own_configuration_and_is_of_vilbert(capsys: pytest.CaptureFixture[str]) -> None:
    for task in ("vqa", "vcr", "refcoco"):
        assert main.run(["train", "vilbert", "--task", task, "--print-config"]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert (shown["name"], shown["model"]["task"]) == (f"vilbert-{task}", task)
    with pytest.raises(ConfigError, match="--task with clip, which has one task"):
        main.run(["train", "clip", "--task", "vqa", "--config", "clip-tiny", "--print-config"])
    with pytest.raises(ConfigError, match="--config NAME is missing"):
        main.run(["train", "vilbert", "--print-config"])
    with pytest.raises(ConfigError, match=r"data\.objective is of the pre-training"):
        main.run(["train", "vilbert", "--task", "vqa", "--config", "vilbert-tiny", "--print-config"])


def test_training_needs_a_folder_for_checkpoints() -> None:
    with pytest.raises(ConfigError, match=r"--out FOLDER is missing"):
        main.run(["train", "clip", "--config", "clip-tiny", "--data", "no/such/dataset"])


def test_torch_is_asked_for_by_the_name_of_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    main.run(["train", "clip", "--config", "clip-tiny", "--print-config"])  # tyro asks for torch once, if it is loaded
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ConfigError, match=r"loom train: torch is not installed \(pip install 'corpusloom\[train\]'\)"):
        main.run(["train", "clip", "--config", "clip-tiny", "--dry-run"])
    with pytest.raises(ConfigError, match=r"loom eval: torch"):
        main.run(["eval", "zero-shot", "--checkpoint", "c", "--data", "d"])


@pytest.mark.parametrize("rank", [0, 1])
def test_rank_0_alone_prints_each_report_and_the_end(
    rank: int, web: SmallWeb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["train", "clip", "--config", "clip-tiny", "--data", str(web.folder / "align"), "--out", str(tmp_path / "r")]
    argv += ["--set", "train.steps=4", "train.log_every=2", "train.batch_size=4"]
    monkeypatch.setattr(distributed, "prints", lambda: rank == 0)
    assert main.run(argv) == 0
    printed = capsys.readouterr()
    lines = [line.strip() for line in printed.err.splitlines()]
    if rank:
        assert (printed.out, lines) == ("", [])
        return
    assert lines[0] == "train.warmup is 0, not 50: the same share of 4 steps as of 750"
    begins = [line.partition(":")[0] for line in lines[1:]]
    assert begins[0].startswith("a vocabulary of ")
    assert begins[1].startswith("clip-tiny on ")
    assert begins[2:] == ["step 2 of 4", "step 4 of 4", "train clip-tiny"]
    assert printed.out.count("step 4: loss ") == printed.out.count("checkpoint: ") == 1


def test_what_a_run_needs_for_its_logs_is_asked_for_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = ["train", "clip", "--config", "clip-tiny", "--data", "no/such/dataset", "--out", str(tmp_path / "r")]
    monkeypatch.setitem(sys.modules, "wandb", None)
    for flags, message in ((["--wandb", "x"], "wandb is not installed"), (["--profile", "9:3"], "is no window")):
        with pytest.raises(ConfigError, match=message):
            main.run([*argv, *flags])
    assert not (tmp_path / "r").exists()


def test_tensorboard_and_a_profile_are_written_by_flag(web: SmallWeb, tmp_path: Path) -> None:
    argv = ["train", "clip", "--config", "clip-tiny", "--data", str(web.folder / "align"), "--out", str(tmp_path / "r")]
    argv += ["--set", "train.steps=2", "train.warmup=0", "train.batch_size=4", "--tensorboard", "--profile", "0:1"]
    assert main.run(argv) == 0
    assert [path.name for path in (tmp_path / "r" / "profile").iterdir()] == ["rank-0-steps-0-1.json"]
    assert any(path.name.startswith("events.out") for path in (tmp_path / "r" / "tensorboard").iterdir())


def test_json_means_json_logs_of_a_training_only() -> None:
    assert main.wants_json(["train", "clip", "--json"])
    assert not main.wants_json(["eval", "zero-shot", "--json"])
    assert not main.wants_json(["train", "clip"])
    assert not main.wants_json([])


def test_a_dry_run_says_whether_a_step_fits_a_device(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["train", "clip", "--config", "clip-tiny", "--set", "train.batch_size=2", "--dry-run", "--device-memory"]
    assert main.run([*argv, "80GB"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "fits in 80GB"
    assert main.run([*argv, "1KB", "--world-size", "2"]) == 0
    printed = capsys.readouterr().out
    assert "memory per device of 2 (replicate 2 x shard 1 x tensor 1), in MB" in printed
    assert printed.splitlines()[-1].startswith("does not fit in 1KB; no shard does: ")
    with pytest.raises(ConfigError, match="--device-memory: 'much' is no size"):
        main.run([*argv, "much"])
