"""The batches of a run: how they are loaded, usable rows, devices, and samples that were skipped."""

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers import registry
from corpusloom.trainers.jobs.train import run
from corpusloom.trainers.training.batches import (
    LISTED,
    SkippedSamples,
    open_stream,
    sample_keys,
    skipped_samples,
    to_device,
    usable_rows,
)
from corpusloom.trainers.training.config import LoaderConfig, RunConfig, load_config
from tests.trainers.datasets import coloured_pairs, write_pairs
from tests.trainers.stream.servers import faulty
from tests.trainers.vilbert.region_pairs import write_regions


def stream(reason: str, count: int) -> SimpleNamespace:
    lines = [f"position {at}: {reason}" for at in range(count)]
    return SimpleNamespace(skipped=lines, stream=SimpleNamespace(skipped=Counter({reason: count})))


def test_the_streams_of_a_run_are_counted_together() -> None:
    joint = SimpleNamespace(streams={"a": stream("not_an_image", 2), "b": stream("bad_json", 1)})
    found = skipped_samples(joint)
    assert found.reasons == {"bad_json": 1, "not_an_image": 2}
    assert found.to_plain()["samples"] == found.count == 3
    assert found.listed[0] == "position 0: not_an_image"


def test_all_are_counted_and_the_first_are_listed() -> None:
    found = skipped_samples(stream("bad_json", LISTED + 5))
    assert (found.count, len(found.listed)) == (LISTED + 5, LISTED)


def test_a_stream_that_skips_nothing_has_no_skipped_sample() -> None:
    assert skipped_samples(object()) == SkippedSamples()
    assert SkippedSamples().count == 0


TINY_CLIP = ["train.steps=1", "train.warmup=0", "train.batch_size=4", "model.image.layers=[1, 1]"]


def assignments(family: str, folder: Path) -> list[str]:
    """Return assignments that make a family's tiny configuration smaller; Flamingo needs a trained CLIP."""
    if family == "clip":
        return TINY_CLIP
    if family == "vilbert":
        return ["model.feature_width=10", "model.class_count=12", "data.regions=8", "train.batch_size=4"]
    pairs = write_pairs(folder / "clip-pairs", coloured_pairs(8))
    run("clip", load_config("clip-tiny", ["train.steps=1", "train.warmup=0"]), [pairs], str(folder / "clip"))
    return [f"model.vision.checkpoint={json.dumps(str(folder / 'clip'))}"]


def two_batches(config: RunConfig, path: str) -> list[dict[str, Any]]:
    """Return the first two batches of a run over one dataset."""
    stream = registry.build_task(config, {"data": (path, 1.0)}).stream
    found = [next(stream) for _ in range(2)]
    return [batch.get("data", batch) for batch in found]


@pytest.mark.parametrize("family", ["clip", "flamingo", "vilbert"])
def test_batches_do_not_depend_on_how_they_are_loaded(family: str, tmp_path: Path) -> None:
    data = write_regions(tmp_path / "data", 16) if family == "vilbert" else ""
    data = data or write_pairs(tmp_path / "data", coloured_pairs(16))
    small, cache = assignments(family, tmp_path), tmp_path / "cache"
    expected = two_batches(load_config(f"{family}-tiny", [*small, "train.workers=0"]), data)
    loader = [f"loader.cache={json.dumps(str(cache))}", "loader.cache_bytes=1000000000", "loader.processes=true"]
    with faulty(Path(data)) as (url, _):
        config = load_config(f"{family}-tiny", [*small, *loader, "loader.prefetch=1", "train.workers=1"])
        found = two_batches(config, url)
    assert list((cache / "blocks").iterdir())
    for one, other in zip(expected, found, strict=True):
        assert one.keys() == other.keys()
        assert one["keys"] == other["keys"]
        tensors = [name for name, value in one.items() if isinstance(value, torch.Tensor)]
        assert len(tensors) > 2
        assert all(torch.equal(one[name], other[name]) for name in tensors)


@pytest.mark.parametrize("change", ["loader.prefetch=-1", "loader.processes=true"])
def test_contradictory_values_of_the_loader_table_are_refused(change: str) -> None:
    with pytest.raises(ConfigError, match=change.split(".")[1].split("=")[0]):
        load_config("clip-tiny", ["train.workers=0", change])


@pytest.mark.parametrize(("text", "verify"), [("", None), ("loader.verify=true", True), ("loader.verify=false", False)])
def test_the_loader_table_chooses_what_is_verified(tmp_path: Path, text: str, verify: bool | None) -> None:
    data = write_pairs(tmp_path / "data", coloured_pairs(4))
    config = load_config("clip-tiny", [text] if text else [])
    assert open_stream(config, data).config.verify is verify


def test_by_default_the_loader_has_threads_and_no_cache() -> None:
    assert load_config("clip-vit-b-32").loader == LoaderConfig(cache=None, processes=False, prefetch=2)


def test_the_keys_of_all_batches_of_a_mapping_are_its_samples() -> None:
    assert sample_keys({"a": {"keys": ["1", "2"]}, "b": {"keys": ["3"]}}) == ["1", "2", "3"]
    assert sample_keys(torch.zeros(3)) == []


def test_rows_that_are_not_valid_are_left_out_of_a_batch_and_of_mappings_of_batches() -> None:
    batch = {"keys": ["a", "b", "c"], "valid": torch.tensor([True, False, True]), "x": torch.arange(6).view(3, 2)}
    usable = usable_rows({"pairs": batch})["pairs"]
    assert usable["keys"] == ["a", "c"]
    assert usable["x"].tolist() == [[0, 1], [4, 5]]
    none = usable_rows({**batch, "valid": torch.zeros(3, dtype=torch.bool)})
    assert (none["keys"], none["x"].shape) == ([], (0, 2))
    whole = {**batch, "valid": torch.ones(3, dtype=torch.bool)}
    assert usable_rows(whole) is whole
    assert usable_rows(3) == 3


def test_a_batch_without_a_usable_row_becomes_the_example_without_a_key() -> None:
    lost = {"keys": ["a", "b"], "valid": torch.zeros(2, dtype=torch.bool)}
    example = {"keys": [""], "x": torch.zeros(1, 3)}
    assert usable_rows(lost, lambda: example)["keys"] == []
    assert usable_rows({"pairs": lost}, lambda: {"pairs": example})["pairs"]["x"].shape == (1, 3)
    good = {**lost, "valid": torch.tensor([True, False]), "x": torch.ones(2, 3)}
    assert usable_rows(good, lambda: example)["keys"] == ["a"]


def test_to_device_keeps_the_structure_of_nested_values() -> None:
    moved = to_device({"x": [torch.zeros(1), "text"], "y": (torch.ones(1),)}, torch.device("meta"))
    assert moved["x"][0].device.type == moved["y"][0].device.type == "meta"
    assert moved["x"][1] == "text"
