"""Classification of benchmarks and of pictures in folders: equal figures in any batches, and what cannot be read."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.clip.data import evaluation_image
from corpusloom.trainers.clip.zero_shot.class_embeddings import class_embeddings
from corpusloom.trainers.clip.zero_shot.classify import classify
from corpusloom.trainers.evaluation.batches import EvaluationSettings, Figures
from corpusloom.trainers.evaluation.figures import NotFiniteError
from tests.trainers.benchmarks import write_benchmark
from tests.trainers.clip.small import small_clip, small_tokenizer, zero_shot_figures
from tests.trainers.datasets import COLOURS as PALETTE
from tests.trainers.datasets import coloured_pairs

COLOURS = list(PALETTE)


def labelled(folder: Path, broken: Sequence[tuple[str, bytes]] = ()) -> str:
    """Write a benchmark of 12 images of 4 classes, and members of broken samples before them."""
    samples = [(pair.image, "jpg", number % 4) for number, pair in enumerate(coloured_pairs(12))]
    write_benchmark(str(folder), samples, COLOURS, ["a {c} thing"])
    if broken:
        (folder / "test" / "0.tar").rename(folder / "test" / "1.tar")
        (folder / "test" / "nshards.txt").write_text("2")
        with tarfile.open(folder / "test" / "0.tar", "w") as tar:
            for name, data in broken:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return str(folder)


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_figures_of_a_classification_do_not_depend_on_the_batches(tmp_path: Path, batch_size: int) -> None:
    settings = EvaluationSettings(batch_size=batch_size)
    found = classify(small_clip(), small_tokenizer(), labelled(tmp_path), settings)
    pixels = torch.stack([torch.from_numpy(evaluation_image(pair.image, 16)) for pair in coloured_pairs(12)])
    classes = class_embeddings(small_clip(), small_tokenizer(), COLOURS, ["a {c} thing"])
    with torch.no_grad():
        expected = zero_shot_figures(small_clip().encode_image(pixels), torch.arange(12) % 4, classes)
    assert {name: value for name, value in found.values.items() if name != "skipped"} == expected
    assert (found.values["skipped"], found.skipped) == (0, ())
    assert found.values["top1_n"] == found.values["n"] == 12


def test_broken_samples_of_a_benchmark_are_named_and_counted(tmp_path: Path) -> None:
    image = coloured_pairs(1)[0].image
    broken = [
        ("a.jpg", b"\xff\xd8 no picture"), ("a.cls", b"1"), ("b.cls", b"1"), ("c.jpg", image), ("d.jpg", image),
        ("d.cls", b"cat"), ("e.jpg", image), ("e.cls", b"9"),
    ]  # fmt: skip
    found = classify(small_clip(), small_tokenizer(), labelled(tmp_path, broken), EvaluationSettings())
    reasons = ("not_an_image", "no_image", "no_class", "no_class", "unknown_class: 9 of 4")
    assert found.skipped == tuple(f"{name}: {reason}" for name, reason in zip("abcde", reasons, strict=True))
    assert (found.values["n"], found.values["skipped"]) == (12, 5)


def write_folders(folder: Path, count: int = 12) -> str:
    """Write coloured pictures into a folder per colour."""
    for number, pair in enumerate(coloured_pairs(count)):
        place = folder / COLOURS[number % 4]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:02d}.jpg").write_bytes(pair.image)
    return str(folder)


def classify_pictures(folder: str, **settings: str) -> Figures:
    shape = EvaluationSettings(batch_size=5, images=folder, **settings)  # type: ignore[arg-type]
    return classify(small_clip(), small_tokenizer(), folder, shape)


def test_pictures_in_class_folders_have_the_figures_of_the_same_benchmark(tmp_path: Path) -> None:
    found = classify_pictures(write_folders(tmp_path / "pictures"), templates="none")
    order = sorted(range(12), key=lambda number: (COLOURS[number % 4], number))
    names = sorted(COLOURS)
    pixels = torch.stack([torch.from_numpy(evaluation_image(coloured_pairs(12)[n].image, 16)) for n in order])
    labels = torch.tensor([names.index(COLOURS[number % 4]) for number in order])
    classes = class_embeddings(small_clip(), small_tokenizer(), names, ["{c}"])
    with torch.no_grad():
        images = small_clip().encode_image(pixels)
        shares = (small_clip().logit_scale.exp() * images @ classes.T).softmax(1)
    expected = zero_shot_figures(images, labels, classes)
    assert {name: value for name, value in found.values.items() if name != "skipped"} == expected
    assert [item.image for item in found.predictions] == [f"{COLOURS[n % 4]}/{n:02d}.jpg" for n in order]
    assert [item.label for item in found.predictions] == [names[label] for label in labels]
    assert [item.right for item in found.predictions] == (shares.argmax(1) == labels).tolist()
    for item, row in zip(found.predictions, shares, strict=True):
        assert [name for name, _ in item.top] == [names[place] for place in row.argsort(descending=True)]
        assert [share for _, share in item.top] == pytest.approx(row.sort(descending=True).values.tolist(), rel=1e-4)


def test_pictures_without_labels_have_predictions_and_no_figures(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, pair in enumerate(coloured_pairs(3)):
        (folder / f"{number}.jpg").write_bytes(pair.image)
    (folder / "3.png").write_bytes(b"no picture")
    names = tmp_path / "names.txt"
    names.write_text("red, crimson\nblue\n")
    found = classify_pictures(str(folder), classes=str(names), templates="none")
    assert dict(found.values) == {"n": 3, "skipped": 1}
    assert found.skipped == ("3.png: not_an_image",)
    assert [(item.image, item.label, item.right) for item in found.predictions] == [
        (f"{number}.jpg", None, None) for number in range(3)
    ]
    assert {name for item in found.predictions for name, _ in item.top} == {"red", "blue"}
    assert found.thumbnails is not None
    assert set(found.thumbnails({0, 2, 3}, 32)) == {0, 2}


def test_an_evaluation_without_a_readable_picture_is_an_error(tmp_path: Path) -> None:
    folder = Path(write_folders(tmp_path, 4))
    for path in folder.rglob("*.jpg"):
        path.write_bytes(b"")
    with pytest.raises(InputError, match="holds no sample that can be read"):
        classify_pictures(str(folder))


def test_embeddings_that_are_not_finite_are_an_error(tmp_path: Path) -> None:
    clip = small_clip()
    with torch.no_grad():
        clip.image.projection.weight[0] = float("nan")
    with pytest.raises(NotFiniteError, match="embeddings of 12 of 12 images are not finite"):
        classify(clip, small_tokenizer(), write_folders(tmp_path), EvaluationSettings())


def test_several_labels_per_image_are_measured_by_precision(tmp_path: Path) -> None:
    folder = Path(labelled(tmp_path))
    (folder / "dataset_type.txt").write_text("multilabel")
    with tarfile.open(folder / "test" / "0.tar", "w") as tar:
        for number, pair in enumerate(coloured_pairs(12)):
            buffer = io.BytesIO()
            np.save(buffer, np.eye(4)[number % 4] + np.eye(4)[(number // 4 + number + 1) % 4] > 0)
            for field, data in (("jpg", pair.image), ("npy", buffer.getvalue())):
                info = tarfile.TarInfo(f"{number}.{field}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    found = classify(small_clip(), small_tokenizer(), str(folder), EvaluationSettings(batch_size=5))
    assert 0 < found.values["mean_average_precision"] <= 1
    assert found.values["n"] == 12
    assert all(item.label is None for item in found.predictions)


def test_names_that_are_equal_in_the_tokens_of_the_model_are_noted(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("long name of a cat\nlong name of a dog\nbird\nred\n")
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(coloured_pairs(1)[0].image)
    found = classify_pictures(str(folder), classes=str(names), templates="none")
    assert found.notes == ("2 classes have the text of another one: the model reads 8 tokens per text",)


def test_a_name_of_two_classes_and_classes_without_images_are_noted(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("\n".join([f"{COLOURS[0]}, hue", f"{COLOURS[1]}, Hue", *COLOURS[2:4], "plaid"]))
    found = classify_pictures(write_folders(tmp_path / "pictures"), classes=str(names), templates="none")
    assert found.notes == (
        "names of several classes: hue",
        "classes without an image, which mean_class_recall leaves out: plaid",
    )
