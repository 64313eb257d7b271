"""A dataset of regions: what it is made from, when it is reused or refused, and what a takedown computes again."""

import dataclasses
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpusloom.pipelines.builds.config import BuildReport
from corpusloom.pipelines.builds.derived import regions
from corpusloom.pipelines.datasets.verify import verify
from corpusloom.pipelines.models.identity import ModelIdentity
from corpusloom.pipelines.models.query_detector import Queries, QueryDetector
from corpusloom.pipelines.recipes.region_settings import RegionSettings
from corpusloom.pipelines.stages.regions import make_regions, sources
from corpusloom.pipelines.stages.regions.outputs import DetectorOutputs
from corpusloom.pipelines.store import lineage
from corpusloom.pipelines.store.dataset.shard_files import ShardReport
from corpusloom.pipelines.store.lineage import Derived
from corpusloom.schemas.errors import ConfigError, DamageError
from corpusloom.schemas.manifest import read_manifest
from corpusloom.schemas.records import ShardEntry
from corpusloom.trainers.stream.dataset import StreamingDataset
from tests.pipelines.datasets.finished import change_manifest, finished_dataset
from tests.pipelines.models.small_detectors import save_detector
from tests.pipelines.small_web import QUIET

SAMPLES = 12
"""Pairs, in two shards."""


class Constant:
    """A detector without a network; it finds `value`."""

    identity = ModelIdentity("constant", "1", "0" * 64)
    value = 1.0

    def __call__(
        self, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray]
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        return [
            (np.full((len(box), 4), self.value, np.float16), np.full((len(box), 2), 0.5, np.float16)) for box in boxes
        ]


@pytest.fixture(scope="module", autouse=True)
def detector() -> Iterator[None]:
    """Replace the detector."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "EfficientNetDetector", Constant)
        yield


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a dataset of pairs in two shards, and its dataset of regions."""
    folder = tmp_path_factory.mktemp("regions")
    finished_dataset(folder, samples=SAMPLES)
    build(folder)
    return folder


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """Return a copy of that folder."""
    return shutil.copytree(built, tmp_path / "copy")


def build(folder: Path, out: str = "out", **changes: Any) -> BuildReport:
    """Build the regions of the pairs of a folder."""
    places = (str(folder / "data"), str(folder / out), str(folder / "work"))
    return regions.build_dataset(*places, QUIET, **{"store": str(folder / "store")} | changes)


def test_each_pair_has_regions_and_a_second_build_reuses_them(built: Path) -> None:
    made, source = read_manifest(str(built / "out")), str(built / "data")
    assert (made.kind, made.recipe, made.samples, made.shard_count) == ("regions", "regions", SAMPLES, 2)
    assert json.loads(made.config) == {
        "source": read_manifest(source).digest, "detector": Constant.identity.label, "limit": None
    }  # fmt: skip
    assert list(verify(str(built / "out"))) == []
    assert (
        "## Model card of the detector\n\nDetector and its settings: `constant"
        in (built / "out" / "README.md").read_text()
    )
    (derived,) = lineage.read(source)
    assert (derived.kind, derived.path, derived.limit) == ("regions", str(built / "out"), None)
    assert derived.store == str(built / "store")
    again = build(built)
    assert (again.reused, again.manifest) == (("regions",), made)


def test_another_limit_is_another_dataset_and_needs_another_folder(folder: Path) -> None:
    with pytest.raises(ConfigError, match="another finished dataset"):
        build(folder, limit=2)
    limited = build(folder, "limited", limit=2).manifest
    assert limited is not None
    assert limited.samples == 4


def test_only_pairs_have_regions(folder: Path) -> None:
    change_manifest(str(folder / "data"), kind="interleaved")
    with pytest.raises(ConfigError, match="holds interleaved, not pairs"):
        build(folder)


def test_a_cut_tar_is_refused_before_anything_is_written(folder: Path) -> None:
    path = folder / "data" / "00001.tar"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamageError, match="the manifest says"):
        build(folder, "other")
    assert not (folder / "other").exists()


def test_a_lost_dataset_is_built_again(folder: Path) -> None:
    whole = read_manifest(str(folder / "out"))
    shutil.rmtree(folder / "out")
    assert build(folder).manifest == whole


def test_a_takedown_computes_only_the_shards_whose_pairs_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, before = str(folder / "data"), read_manifest(str(folder / "data"))
    first = read_manifest(str(folder / "out"))
    other = dataclasses.replace(before.shards[1], tar=dataclasses.replace(before.shards[1].tar, sha256="0" * 64))
    after = change_manifest(source, config="changed")
    computed: list[int] = []
    write_shard = make_regions.write_shard

    def count(shard: ShardEntry, config: make_regions.RegionsConfig, outputs: DetectorOutputs) -> ShardReport:
        computed.append(shard.index)
        return write_shard(shard, config, outputs)

    monkeypatch.setattr(make_regions, "write_shard", count)
    made = Derived(kind="regions", path=str(folder / "out"), work=str(folder / "work"), store=str(folder / "store"))
    regions.make_anew(source, made, dataclasses.replace(before, shards=(before.shards[0], other)), after)
    assert computed == [1]
    second = read_manifest(str(folder / "out"))
    assert [shard.tar for shard in second.shards] == [shard.tar for shard in first.shards]
    assert json.loads(second.config)["source"] == after.digest
    assert after.digest != before.digest


def test_a_dataset_depends_on_the_store_although_the_detector_computes_other_values(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read_manifest(str(folder / "out")).digest
    monkeypatch.setattr(Constant, "value", np.nextafter(np.float16(1), np.float16(2)))

    def digest(out: str, store: str) -> str:
        made = build(folder, out, store=str(folder / store)).manifest
        assert made is not None
        shutil.rmtree(folder / "work")
        return made.digest

    shutil.rmtree(folder / "work")
    assert digest("again", "store") == first
    assert digest("elsewhere", "empty store") != first


def test_a_detector_by_path_finds_regions_and_its_changed_weights_are_kept_apart(folder: Path, tmp_path: Path) -> None:
    changed = save_detector(tmp_path / "detector", "yolos")
    settings = RegionSettings(detector=changed, min_boxes=11, max_boxes=11)
    first = build(folder, "queries", settings=settings).manifest
    assert first is not None
    sample = next(iter(StreamingDataset(str(folder / "queries"))))
    assert (len(sample.features), sample.features.shape[1], sample.class_probs.shape[1]) == (11, 16, 4)
    label = json.loads(first.config)["detector"]
    assert label.startswith("yolos ")
    assert label.endswith(" min_boxes 11 max_boxes 11")
    save_detector(tmp_path / "detector", "yolos", seed=1)
    second = build(folder, "again", settings=settings).manifest
    assert second is not None
    assert second.digest != first.digest
    assert len(list((folder / "store" / "regions").iterdir())) == 3  # two of this detector, one of the fixture's


def test_a_store_gives_the_dataset_of_a_detector_that_now_computes_other_last_bits(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = RegionSettings(detector=save_detector(tmp_path / "detector", "yolos"))
    first = build(folder, "here", settings=settings).manifest

    def other_cpu(self: QueryDetector, rgb: np.ndarray) -> Queries:
        pytest.fail("the store has the outputs of every image")

    shutil.rmtree(folder / "work")
    monkeypatch.setattr(QueryDetector, "check", lambda self: None)
    monkeypatch.setattr(QueryDetector, "__call__", other_cpu)
    second = build(folder, "there", settings=settings).manifest
    assert first is not None
    assert second is not None
    assert second.digest == first.digest
