"""The loader table of a run: each family's batches are the same through processes, a web server and a cache."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers import registry
from corpusloom.trainers.run import run
from corpusloom.trainers.training.config import LoaderConfig, RunConfig, load_config
from corpusloom.trainers.training.loader import open_stream
from tests.trainers.datasets import coloured_pairs, write_pairs
from tests.trainers.stream.servers import faulty
from tests.trainers.vilbert.region_pairs import write_regions

TINY_CLIP = ["train.steps=1", "train.warmup=0", "train.batch_size=4", "model.image.layers=[1, 1]"]


def assignments(family: str, folder: Path) -> list[str]:
    """Return assignments that make a family's tiny configuration smaller; Flamingo needs a trained CLIP."""
    if family == "clip":
        return TINY_CLIP
    if family == "vilbert":
        return ["model.feature_width=10", "model.class_count=12", "data.regions=8", "train.batch_size=4"]
    pairs = write_pairs(folder / "clip-pairs", coloured_pairs(8))
    run("clip", load_config("clip-tiny", ["train.steps=1", "train.warmup=0"]), [pairs], str(folder / "clip"))
    return [f"model.vision.checkpoint={json.dumps(str(folder / 'clip'))}", "data.pair_batch=4"]


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
