"""Retrieval in datasets, benchmarks with captions and Karpathy's files gives the same figures for the same images."""

import io
import json
import tarfile
from pathlib import Path

import pytest
import torch

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.data import evaluation_image
from corpusloom.trainers.clip.zero_shot.class_embeddings import embed_texts
from corpusloom.trainers.clip.zero_shot.retrieval.figures import retrieval
from corpusloom.trainers.clip.zero_shot.retrieval.retrieve import retrieve
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from tests.trainers.clip.small import small_clip, small_tokenizer
from tests.trainers.datasets import Pair, coloured_pairs, write_pairs

IMAGES = [pair.image for pair in coloured_pairs(8)]
CAPTIONS = [tuple(f"{chr(97 + number)}{word}" for word in range(1 + number % 3)) for number in range(8)]
SETTINGS = EvaluationSettings(batch_size=3)


def expected() -> dict[str, float]:
    clip = small_clip()
    pixels = torch.stack([torch.from_numpy(evaluation_image(image, 16)) for image in IMAGES])
    texts = embed_texts(clip, small_tokenizer(), [text for own in CAPTIONS for text in own])
    image_of = torch.tensor([number for number, own in enumerate(CAPTIONS) for _ in own])
    with torch.no_grad():
        return dict(retrieval(clip.encode_image(pixels), texts, image_of))


def write_captions(folder: Path, extra: tuple[tuple[str, bytes, str], ...] = ()) -> str:
    """Write the images and captions as a benchmark of retrieval."""
    (folder / "test").mkdir(parents=True)
    (folder / "dataset_type.txt").write_text("retrieval\n")
    samples = [
        (f"s{n:07d}", image, "\n".join(own)) for n, (image, own) in enumerate(zip(IMAGES, CAPTIONS, strict=True))
    ]
    with tarfile.open(folder / "test" / "0.tar", "w") as tar:
        for key, image, text in [*samples, *extra]:
            for field, data in (("jpg", image), ("txt", text.encode())):
                info = tarfile.TarInfo(f"{key}.{field}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return str(folder)


def test_a_benchmark_with_several_captions_per_image_is_searched(tmp_path: Path) -> None:
    data = write_captions(tmp_path, (("x", b"broken", "a"), ("y", IMAGES[0], " \n ")))
    found = retrieve(small_clip(), small_tokenizer(), data, SETTINGS)
    assert found.skipped == ("x: not_an_image", "y: no_caption")
    assert {name: value for name, value in found.values.items() if name != "skipped"} == pytest.approx(expected())


def test_captions_in_karpathys_layout_are_searched(tmp_path: Path) -> None:
    entries = []
    for number, (image, own) in enumerate(zip(IMAGES, CAPTIONS, strict=True)):
        (tmp_path / f"{number}.jpg").write_bytes(image)
        entries.append({"filename": f"{number}.jpg", "split": "test", "sentences": [{"raw": text} for text in own]})
    entries.append({"filename": "nowhere.jpg", "split": "test", "sentences": [{"raw": "x"}]})
    path = tmp_path / "captions.json"
    path.write_text(json.dumps({"images": entries}))
    settings = EvaluationSettings(batch_size=3, images=str(tmp_path))
    found = retrieve(small_clip(), small_tokenizer(), str(path), settings)
    assert found.skipped == ("nowhere.jpg: unreadable",)
    assert {name: value for name, value in found.values.items() if name != "skipped"} == pytest.approx(expected())


def test_pairs_of_one_image_are_one_image_with_several_texts(tmp_path: Path) -> None:
    pairs = [Pair(image, text) for image, own in zip(IMAGES, CAPTIONS, strict=True) for text in own]
    found = retrieve(small_clip(), small_tokenizer(), write_pairs(tmp_path, pairs), SETTINGS)
    assert {name: value for name, value in found.values.items() if name != "skipped"} == pytest.approx(expected())


def test_bf16_changes_embeddings_by_rounding(tmp_path: Path) -> None:
    clip, folder = small_clip(), write_pairs(tmp_path / "pairs", coloured_pairs(12))
    kinds: list[torch.dtype] = []
    clip.text.projection.register_forward_hook(lambda *call: kinds.append(call[2].dtype))
    for precision in ("fp32", "bf16"):
        found = retrieve(clip, small_tokenizer(), folder, EvaluationSettings(precision=precision))
        assert found.values["n"] == 12
    assert kinds == [torch.float32, torch.bfloat16]


def test_images_without_captions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--images without a file of captions"):
        retrieve(small_clip(), small_tokenizer(), str(tmp_path), EvaluationSettings(images=str(tmp_path)))


def test_annotations_are_of_a_vilbert() -> None:
    settings = EvaluationSettings(annotations=("dataset_flickr30k.json",))
    with pytest.raises(
        ConfigError, match=r"^--annotations: .*give the file of captions as --data, and --images FOLDER"
    ):
        retrieve(small_clip(), small_tokenizer(), "regions", settings)
