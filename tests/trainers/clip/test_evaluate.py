"""Zero-shot and retrieval figures against small cases counted by hand."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.config import CLIPConfig, ImageTowerConfig, TextTowerConfig
from corpusloom.trainers.clip.data import evaluation_image
from corpusloom.trainers.clip.evaluate import class_embeddings, classify, evaluations, retrieval, retrieve, zero_shot
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.tokens.byte_pairs import ClipTokenizer
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from tests.trainers.benchmarks import write_benchmark
from tests.trainers.datasets import COLOURS as PALETTE
from tests.trainers.datasets import coloured_pairs, write_pairs

COLOURS = list(PALETTE)


def model() -> CLIP:
    torch.manual_seed(0)
    image = ImageTowerConfig(size=16, layers=1, width=16, heads=2, patch=8)
    text = TextTowerConfig(vocab_size=514, context=8, layers=1, width=16, heads=2)
    return CLIP(CLIPConfig(embed_dim=8, image=image, text=text)).eval()


def test_a_class_is_the_normalised_mean_of_its_normalised_templates() -> None:
    clip, tokenizer = model(), ClipTokenizer((), context=8)
    got = class_embeddings(clip, tokenizer, ["cat", "dog"], ["a {c}", "{c}s {x}"])
    with torch.no_grad():
        rows = torch.from_numpy(tokenizer.rows(["a dog", "dogs {x}"]))
        expected = F.normalize(clip.encode_text(rows).mean(0), dim=-1)
    assert torch.allclose(got[1], expected, atol=1e-6)
    assert got.shape == (2, 8)


def test_a_template_without_a_class_is_refused() -> None:
    with pytest.raises(ConfigError, match="names no class"):
        class_embeddings(model(), ClipTokenizer((), context=8), ["cat"], ["a photo"])


def test_zero_shot_figures_are_those_counted_by_hand() -> None:
    classes = torch.eye(6)
    images = torch.tensor([[9, 1, 0, 0, 0, 0], [0, 1, 9, 0, 0, 0], [0, 0, 1, 2, 3, 4], [1, 2, 3, 4, 5, 0.0]])
    labels = torch.tensor([0, 1, 2, 5])
    figures = dict(zero_shot(images, labels, classes))
    assert figures["top1"] == 0.25
    assert figures["top5"] == 0.75
    assert figures["mean_class_recall"] == 0.25
    assert figures["chance"] == pytest.approx(1 / 6)
    assert figures["top1_low"] < 0.25 < figures["top1_high"]
    assert figures["top5_chance"] == pytest.approx(5 / 6)
    assert figures["mean_class_recall_low"] < 0.25 < figures["mean_class_recall_high"]
    assert "top5" not in dict(zero_shot(images[:, :3], labels.clamp(max=2), torch.eye(3)))


def test_an_image_is_a_hit_when_any_of_its_texts_is_among_the_first_k() -> None:
    images = torch.eye(3)
    texts = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, 1, 0], [0.1, 0.2, 0.3]])
    image_of = torch.tensor([0, 0, 1, 2])
    figures = dict(retrieval(images, texts, image_of, ks=(1, 2)))
    assert figures["image_retrieval_r1"] == 0.75
    assert figures["text_retrieval_r1"] == pytest.approx(2 / 3)
    assert figures["text_retrieval_r2"] == 1.0


def test_a_wrong_candidate_of_equal_similarity_ranks_first() -> None:
    copies = torch.ones(4, 2)
    figures = dict(retrieval(copies, copies, torch.arange(4), ks=(1, 4)))
    assert figures["image_retrieval_r1"] == 0
    assert figures["image_retrieval_r4"] == 1


def labelled(folder: Path, broken: Sequence[tuple[str, bytes]] = ()) -> str:
    """Write a benchmark of 12 images of 4 classes, and members of broken samples before them."""
    samples = [(pair.image, "jpg", number % 4) for number, pair in enumerate(coloured_pairs(12))]
    write_benchmark(str(folder), samples, COLOURS, ["a {c} thing"])
    if broken:
        (folder / "test" / "0.tar").rename(folder / "test" / "1.tar")
        with tarfile.open(folder / "test" / "0.tar", "w") as tar:
            for name, data in broken:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return str(folder)


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_figures_of_a_classification_do_not_depend_on_the_batches(tmp_path: Path, batch_size: int) -> None:
    settings = EvaluationSettings(batch_size=batch_size)
    found = classify(model(), ClipTokenizer((), context=8), labelled(tmp_path), settings)
    pixels = torch.stack([torch.from_numpy(evaluation_image(pair.image, 16)) for pair in coloured_pairs(12)])
    classes = class_embeddings(model(), ClipTokenizer((), context=8), COLOURS, ["a {c} thing"])
    with torch.no_grad():
        expected = dict(zero_shot(model().encode_image(pixels), torch.arange(12) % 4, classes))
    assert {name: value for name, value in found.values.items() if name != "skipped"} == expected
    assert (found.values["skipped"], found.skipped) == (0, ())
    assert found.values["top1_n"] == found.values["n"] == 12


def test_broken_samples_of_a_benchmark_are_named_and_counted(tmp_path: Path) -> None:
    image = coloured_pairs(1)[0].image
    broken = [
        ("a.jpg", b"\xff\xd8 no picture"), ("a.cls", b"1"), ("b.cls", b"1"), ("c.jpg", image), ("d.jpg", image),
        ("d.cls", b"cat"), ("e.jpg", image), ("e.cls", b"9"),
    ]  # fmt: skip
    found = classify(model(), ClipTokenizer((), context=8), labelled(tmp_path, broken), EvaluationSettings())
    assert found.skipped == ("a: not_an_image", "b: no_image", "c: no_class", "d: no_class", "e: unknown_class")
    assert (found.values["n"], found.values["skipped"]) == (12, 5)


def test_bf16_changes_embeddings_by_rounding(tmp_path: Path) -> None:
    folder, tokenizer = write_pairs(tmp_path / "pairs", coloured_pairs(12)), ClipTokenizer((), context=8)
    clip = model()
    kinds: list[torch.dtype] = []
    clip.text.projection.register_forward_hook(lambda *call: kinds.append(call[2].dtype))
    for precision in ("fp32", "bf16"):
        assert retrieve(clip, tokenizer, folder, EvaluationSettings(precision=precision)).values["n"] == 12
    assert kinds == [torch.float32, torch.bfloat16]


def test_the_evaluations_are_listed_by_name() -> None:
    assert evaluations() == {"zero-shot": classify, "retrieval": retrieve}
