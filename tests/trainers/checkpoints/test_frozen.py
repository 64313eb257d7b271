"""Frozen parts by path and sha256: of a file, of a folder of safetensors, of a checkpoint or a run."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from corpusloom.schemas.errors import DamageError, InputError
from corpusloom.trainers.checkpoints import frozen
from corpusloom.trainers.training.checkpoint import Checkpointer


def weights(path: Path, value: float) -> str:
    path.parent.mkdir(exist_ok=True)
    save_file({"a": torch.full((3,), value)}, path)
    return str(path)


def trained(folder: Path, value: float) -> str:
    model = torch.nn.Linear(2, 2)
    torch.nn.init.constant_(model.weight, value)
    Checkpointer(f"{folder}/checkpoints").save(1, model, torch.optim.SGD(model.parameters()), wait=True)
    return str(folder)


def test_a_digest_is_that_of_the_weights_wherever_they_are(tmp_path: Path) -> None:
    one = weights(tmp_path / "a" / "model.safetensors", 1.0)
    same = weights(tmp_path / "b" / "model.safetensors", 1.0)
    other = weights(tmp_path / "c" / "model.safetensors", 2.0)
    (tmp_path / "b" / "README.md").write_text("not weights")
    digests = [frozen.weights_digest(path) for path in (one, same, other)]
    assert digests[0] == digests[1] != digests[2]
    inside = [frozen.weights_digest(str(tmp_path / name)) for name in ("a", "b", "c")]
    assert inside[0] == inside[1] != inside[2]


def test_the_place_of_a_run_is_its_newest_checkpoint(tmp_path: Path) -> None:
    one, other = (frozen.place_of(trained(tmp_path / name, value)) for name, value in (("one", 1.0), ("other", 2.0)))
    assert one == str(tmp_path / "one" / "checkpoints" / "step-00000001")
    assert frozen.place_of(one) == one
    assert frozen.weights_digest(one) != frozen.weights_digest(other)


def test_a_place_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no complete checkpoint"):
        frozen.place_of(str(tmp_path))
    with pytest.raises(InputError, match="holds no safetensors"):
        frozen.weights_digest(str(tmp_path))


def test_paths_are_recorded_absolute_and_without_those_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights(tmp_path / "a" / "model.safetensors", 1.0)
    monkeypatch.chdir(tmp_path)
    shipped = str(Path(frozen.__file__).parents[1] / "flamingo" / "weights")
    recorded = frozen.record({"model.vision.weights": frozen.place_of("a"), "model.language.weights": shipped})
    assert recorded["model.language.weights"]["path"] == "package:trainers/flamingo/weights"
    assert frozen.assignments(recorded) == [f'model.vision.weights="{tmp_path}/a"']
    found = frozen.places(recorded, {"model": {"vision": {"weights": "a"}}})
    assert found == {"model.vision.weights": str(tmp_path / "a"), "model.language.weights": shipped}
    frozen.check_unchanged(recorded, found)


def test_a_part_that_moved_changed_or_is_no_longer_named_is_refused(tmp_path: Path) -> None:
    path = weights(tmp_path / "a.safetensors", 1.0)
    recorded = frozen.record({"model.vision.weights": path})
    config = {"model": {"vision": {"weights": path}}}
    assert frozen.places(recorded, config) == {"model.vision.weights": path}
    frozen.check_unchanged(recorded, {"model.vision.weights": path})
    with pytest.raises(InputError, match=r"configuration names none at model\.vision\.weights"):
        frozen.check_unchanged(recorded, {})
    weights(tmp_path / "a.safetensors", 2.0)
    with pytest.raises(DamageError, match=r"a\.safetensors: the frozen part model\.vision\.weights differs.*--set"):
        frozen.check_unchanged(recorded, {"model.vision.weights": path})
    other = weights(tmp_path / "b.safetensors", 3.0)
    with pytest.raises(DamageError, match=rf"b\.safetensors: .*differs.*--set \"model\.vision\.weights='{path}'\""):
        frozen.check_unchanged(recorded, {"model.vision.weights": other})
    (tmp_path / "a.safetensors").unlink()
    for table in (config, {"model": {}}, {"model": {"vision": {"weights": None}}}):
        with pytest.raises(InputError, match=r"the frozen part model\.vision\.weights is not there.*--set"):
            frozen.places(recorded, table)
