"""Benchmarks in CLIP_benchmark's layout: read here and by webdataset, with errors that name damage."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from corpusloom.schemas.errors import ConfigError, DamageError, InputError
from corpusloom.trainers.clip.zero_shot.benchmarks import (
    BenchmarkSample,
    dataset_type,
    is_benchmark,
    labels_in,
    open_benchmark,
    open_captions,
    read_shard,
)
from corpusloom.trainers.stream.errors import SampleError
from tests.trainers.benchmarks import write_benchmark
from tests.trainers.datasets import coloured_pairs

CLASSES = [f"{colour} {shape}" for shape in ("square", "disc") for colour in ("red", "green", "blue", "yellow")]


def written(folder: Path, count: int = 16) -> str:
    samples = [(pair.image, "jpg", number % 8) for number, pair in enumerate(coloured_pairs(count))]
    write_benchmark(str(folder), samples, CLASSES, ["a {c}", "one {c}"])
    return str(folder)


def test_a_benchmark_that_was_written_is_read_back(tmp_path: Path) -> None:
    benchmark = open_benchmark(written(tmp_path))
    assert [name.shown for name in benchmark.classes] == CLASSES
    assert benchmark.templates == ("a {c}", "one {c}")
    samples = list(benchmark)
    assert [benchmark.label_of(sample) for sample in samples] == [number % 8 for number in range(16)]
    assert [sample.image for sample in samples] == [pair.image for pair in coloured_pairs(16)]


def test_webdataset_reads_the_same_samples_from_a_benchmark(tmp_path: Path) -> None:
    import webdataset

    folder = written(tmp_path, 5)
    theirs = list(webdataset.WebDataset(f"{folder}/test/0.tar", shardshuffle=False))
    ours = list(open_benchmark(folder))
    assert [(s["__key__"], s["jpg"], int(s["cls"])) for s in theirs] == [(s.key, s.image, int(s.label)) for s in ours]


def test_shards_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    folder = Path(written(tmp_path, 2))
    (folder / "test" / "nshards.txt").unlink()
    for name in ("10.tar", "2.tar"):
        (folder / "test" / name).write_bytes((folder / "test" / "0.tar").read_bytes())
    assert [Path(tar).name for tar in open_benchmark(str(folder)).shards.tars] == ["0.tar", "2.tar", "10.tar"]


def test_a_benchmark_without_tars_or_classes_is_an_error_that_names_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no shard"):
        open_benchmark(str(tmp_path))
    folder = Path(written(tmp_path))
    (folder / "zeroshot_classification_templates.txt").unlink()
    assert open_benchmark(str(folder)).templates == ("a photo of {c}",)
    (folder / "classnames.txt").unlink()
    with pytest.raises(InputError, match=r"classnames\.txt"):
        open_benchmark(str(folder))


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"a.jpg": b"x"}, "no_class"),
        ({"a.cls": b"1"}, "no_image"),
        ({"a.jpg": b"x", "a.cls": b"cat"}, "no_class"),
        ({"a.jpg": b"x", "a.cls": b"-1"}, "no_class"),
        ({"a.jpg": b"x", "a.cls": "²".encode()}, "no_class"),
        ({"a.jpg": b"x", "a.cls": b"\xff"}, "no_class"),
        ({"a.jpg": b"x", "a.cls": b"8"}, "unknown_class"),
    ],
)
def test_a_broken_sample_has_no_label(tmp_path: Path, members: dict[str, bytes], reason: str) -> None:
    benchmark = open_benchmark(written(tmp_path / "benchmark"))
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    (sample,) = read_shard(str(tmp_path / "0.tar"))
    with pytest.raises(SampleError) as caught:
        benchmark.label_of(sample)
    assert caught.value.reason == reason


def test_a_file_that_is_not_a_tar_is_damage(tmp_path: Path) -> None:
    (tmp_path / "0.tar").write_bytes(b"nonsense" * 200)
    with pytest.raises(DamageError, match="not a tar"):
        list(read_shard(str(tmp_path / "0.tar")))


def test_a_split_is_chosen_by_its_name(tmp_path: Path) -> None:
    folder = Path(written(tmp_path, 2))
    (folder / "test").rename(folder / "val")
    assert [Path(tar).parent.name for tar in open_benchmark(str(folder), "val").shards.tars] == ["val"]
    with pytest.raises(InputError, match=r"no shard of the split 'test' \(--split val\)"):
        open_benchmark(str(folder))


@pytest.mark.parametrize(("text", "message"), [("3", "1.tar is missing"), ("x", "not a number of shards")])
def test_shards_that_are_counted_must_be_there(tmp_path: Path, text: str, message: str) -> None:
    folder = Path(written(tmp_path))
    (folder / "test" / "nshards.txt").write_text(text)
    with pytest.raises((DamageError, InputError), match=message):
        open_benchmark(str(folder))


def test_tars_beyond_the_number_of_shards_are_left_out(tmp_path: Path) -> None:
    folder = Path(written(tmp_path))
    (folder / "test" / "1.tar").write_bytes(b"of an earlier export")
    assert len(list(open_benchmark(str(folder)))) == 16


def test_each_evaluation_refuses_a_benchmark_of_the_other(tmp_path: Path) -> None:
    folder = Path(written(tmp_path))
    assert dataset_type(str(folder)) == "classification"
    with pytest.raises(ConfigError, match="loom eval zero-shot"):
        open_captions(str(folder))
    (folder / "dataset_type.txt").write_text("retrieval")
    with pytest.raises(ConfigError, match="loom eval retrieval"):
        open_benchmark(str(folder))
    (folder / "dataset_type.txt").write_text("segmentation")
    with pytest.raises(InputError, match="one of classification, multilabel, retrieval"):
        open_benchmark(str(folder))


def test_classes_of_one_name_are_noted_with_both_lines(tmp_path: Path) -> None:
    folder = Path(written(tmp_path))
    (folder / "classnames.txt").write_text("cat\n\ndog\nCat\n")
    (note,) = open_benchmark(str(folder)).notes
    assert "lines 1 and 4: two classes 'Cat'" in note


def npy(value: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, value)
    return buffer.getvalue()


def test_several_labels_are_read_from_an_array(tmp_path: Path) -> None:
    folder = Path(written(tmp_path))
    (folder / "dataset_type.txt").write_text("multilabel")
    benchmark = open_benchmark(str(folder))
    labels = np.array([0, 1, 0, 0, 1, 0, 0, 0])
    found = benchmark.label_of(BenchmarkSample("a", b"x", array=npy(labels.astype(np.float32))))
    assert isinstance(found, np.ndarray)
    assert found.tolist() == labels.tolist()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no_class"),
        (b"\x93NUMPY nonsense", "no_class"),
        (npy(np.array([object()], object)), "no_class"),
        (npy(np.zeros(3)), "unknown_class"),
        (npy(np.array([0, 2])), "unknown_class"),
    ],
)
def test_an_array_of_other_labels_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(SampleError) as caught:
        labels_in(data, 2)
    assert caught.value.reason == reason


def test_captions_stand_one_per_line_with_escaped_breaks() -> None:
    assert BenchmarkSample("a", b"", text=b"one\n\n two\\nlines \n").captions == ("one", "two\nlines")


def test_a_folder_of_pictures_is_no_benchmark(tmp_path: Path) -> None:
    (tmp_path / "pictures" / "cat").mkdir(parents=True)
    (tmp_path / "pictures" / "cat" / "a.jpg").write_bytes(b"")
    assert not is_benchmark(str(tmp_path / "pictures"))
    assert not is_benchmark(str(tmp_path / "nowhere"))
    assert is_benchmark(written(tmp_path / "benchmark"))
