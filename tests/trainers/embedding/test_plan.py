"""The plan finds what is distinct in a dataset of each kind."""

import hashlib
from contextlib import closing
from pathlib import Path

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.embedding.plan import EmbeddingPlan, make_plan, text_sha256
from corpusloom.trainers.stream.foreign.index_tars import index_tars
from corpusloom.trainers.stream.sample_reader import ReaderConfig, SampleReader
from tests.trainers.datasets import coloured_pairs
from tests.trainers.embedding.small import small_pairs
from tests.trainers.stream.datasets import make_dataset, make_image, make_pairs


def plan_of(path: str) -> EmbeddingPlan:
    """Return the plan of a dataset."""
    with closing(SampleReader(ReaderConfig(paths=(path,)))) as reader:
        return make_plan(reader)


def test_an_image_and_a_text_that_occur_twice_are_one(tmp_path: Path) -> None:
    plan = plan_of(small_pairs(tmp_path / "pairs"))
    assert len(plan.images) == 13
    assert len(plan.pairs) == 15
    pairs = coloured_pairs(12)
    assert sorted(plan.texts) == sorted({*(pair.text for pair in pairs), "another text", "a broken picture"})
    first = hashlib.sha256(pairs[0].image).hexdigest()
    shown = [pair for pair in plan.pairs.tolist() if plan.image_sha256(pair[2]) == first]
    assert sorted(plan.texts[text] for *_, text in shown) == sorted([pairs[0].text, pairs[0].text, "another text"])
    assert plan.field(shown[0][2]) == "jpg"
    assert plan.place(shown[0][2]).row == shown[0][1]
    assert text_sha256("é") == hashlib.sha256("é".encode()).hexdigest()


def test_pages_give_every_image_member_and_no_pairs(tmp_path: Path) -> None:
    pages = [
        ("0" * 32, {"000.jpg": make_image(0), "001.png": make_image(1, format="PNG"), "json": b"{}"}),
        ("f" * 32, {"000.jpg": make_image(0), "001.jpg": make_image(2), "json": b"{}"}),
    ]
    plan = plan_of(make_dataset(tmp_path, "interleaved", pages, shards=2))
    assert [plan.field(number) for number in range(len(plan.images))] == ["000.jpg", "001.png", "001.jpg"]
    assert [plan.place(number)[3:] for number in range(3)] == [(0, 0), (0, 0), (1, 0)]
    assert (plan.texts, len(plan.pairs)) == ([], 0)


def test_an_index_needs_hashes_and_reads_texts_from_its_tars(tmp_path: Path) -> None:
    samples = [(key, {**fields, "seg.png": make_image(9, format="PNG")}) for key, fields in make_pairs(3)]
    samples[1][1]["txt"] = b" "
    del samples[2][1]["txt"]
    samples[2][1]["json"] = b'{"caption": null, "text_source": ""}'
    make_dataset(tmp_path / "own", "pairs", samples, shards=1)
    tars = [str(tmp_path / "own/00000.tar")]
    index_tars(tars, str(tmp_path / "bare"), kind="pairs")
    with pytest.raises(InputError, match="run loom index with --hashes"):
        plan_of(str(tmp_path / "bare"))
    index_tars(tars, str(tmp_path / "index"), kind="pairs", hashes=True)
    plan = plan_of(str(tmp_path / "index"))
    assert [plan.field(number) for number in range(len(plan.images))] == ["jpg"] * 3
    assert sorted(plan.texts) == ["picture 0"]
    assert [(item.key, item.reason) for item in plan.unread] == [(key, "empty_text") for key, _ in samples[1:]]
    assert (plan.pairs[:, 3] == -1).sum() == 2
