"""Benchmarks in CLIP_benchmark's layout: read here and by webdataset, with errors that name damage."""

import io
import tarfile
from pathlib import Path

import pytest

from corpusloom.schemas.errors import DamageError, InputError
from corpusloom.trainers.clip.zero_shot.benchmarks import open_benchmark, read_shard
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
    for name in ("10.tar", "2.tar"):
        (folder / "test" / name).write_bytes((folder / "test" / "0.tar").read_bytes())
    assert [Path(tar).name for tar in open_benchmark(str(folder)).tars] == ["0.tar", "2.tar", "10.tar"]


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
