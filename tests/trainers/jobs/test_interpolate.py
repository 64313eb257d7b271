"""Weights between two models: the ends exactly, the mean in the middle, and only of models that go together."""

from pathlib import Path

import pytest
import torch

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers import registry
from corpusloom.trainers.clip.adapter import export
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.tokens.byte_pairs import ClipTokenizer
from corpusloom.trainers.jobs.evaluate import evaluate
from corpusloom.trainers.jobs.export import export_model
from corpusloom.trainers.jobs.interpolate import Interpolation, interpolate, parse_interpolation
from tests.trainers.clip.folders import TOKENIZER, our_config
from tests.trainers.datasets import coloured_pairs, write_pairs


def written(path: Path, seed: int, tokenizer: ClipTokenizer = TOKENIZER, **shape: object) -> str:
    """Write a CLIP with batch norm and random weights, running statistics included, as an open_clip folder."""
    torch.manual_seed(seed)
    model = CLIP(our_config(**{"resnet": True} | shape))
    for value in model.state_dict().values():
        value.add_(0.1 * torch.rand(value.shape) if value.is_floating_point() else seed)
    export(model, tokenizer, {}, "open_clip", str(path))
    return str(path)


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Return the folders of an initial and of a fine-tuned model."""
    folder = tmp_path_factory.mktemp("ends")
    return written(folder / "initial", 1), written(folder / "tuned", 2)


def mixed(tuned: str, initial: str, alpha: float) -> dict[str, torch.Tensor]:
    opened = registry.open_model(tuned)
    interpolate(opened.model, opened.attachments, Interpolation(initial, alpha))
    return opened.model.state_dict()


def test_the_ends_are_exact_and_the_middle_is_the_mean(ends: tuple[str, str]) -> None:
    initial, tuned = (registry.open_model(path).model.state_dict() for path in ends)
    none, half, whole = (mixed(ends[1], ends[0], alpha) for alpha in (0.0, 0.5, 1.0))
    for name, value in tuned.items():
        assert torch.equal(whole[name], value), name
        if not value.is_floating_point():
            assert torch.equal(none[name], value), name
            continue
        assert torch.equal(none[name], initial[name]), name
        torch.testing.assert_close(half[name], (initial[name] + value) / 2, msg=name)
        assert not torch.equal(initial[name], value), name


def test_an_export_and_an_evaluation_take_the_same_place_on_the_path(ends: tuple[str, str], tmp_path: Path) -> None:
    place = parse_interpolation(f"{ends[0]}:0.25")
    export_model(ends[1], "open_clip", str(tmp_path / "out"), interpolation=place)
    data = write_pairs(tmp_path / "pairs", coloured_pairs(16))
    found = evaluate("retrieval", ends[1], data, interpolation=place, device="cpu", out=str(tmp_path / "x.json"))
    again = evaluate("retrieval", str(tmp_path / "out"), data, device="cpu")
    assert found.figures == again.figures
    assert found.interpolate == f"{ends[0]}:0.25"
    exported = registry.open_model(str(tmp_path / "out")).model.state_dict()
    assert all(torch.equal(exported[name], value) for name, value in mixed(ends[1], ends[0], 0.25).items())


def test_models_that_do_not_go_together_are_refused(ends: tuple[str, str], tmp_path: Path) -> None:
    wider = written(tmp_path / "wider", 3, embed_dim=12)
    with pytest.raises(InputError, match=r"wider: weights of another model: image\.\S+ is \(12.*, and \(8.*began from"):
        mixed(ends[1], wider, 0.5)
    vit = written(tmp_path / "vit", 3, resnet=False)
    with pytest.raises(InputError, match=r"weights of another model: image\.\S+ is not there, and"):
        mixed(ends[1], vit, 0.5)
    other = written(tmp_path / "other", 3, ClipTokenizer(TOKENIZER.merges[::-1], context=12))
    with pytest.raises(InputError, match="has another vocabulary than the fine-tuned model"):
        mixed(ends[1], other, 0.5)


@pytest.mark.parametrize("text", ["runs/base", "runs/base:", ":0.5", "runs/base:1.5", "runs/base:-0.1", "a:nan"])
def test_a_share_outside_of_0_to_1_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is not INITIAL:ALPHA .*from 0"):
        parse_interpolation(text)


def test_the_share_follows_the_last_colon() -> None:
    assert parse_interpolation("s3://bucket/run:0.5") == Interpolation("s3://bucket/run", 0.5)
