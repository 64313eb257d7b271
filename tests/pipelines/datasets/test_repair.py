"""A repair refuses before it touches anything, and writes the damaged shards alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from corpusloom.pipelines.datasets.damage import Damage, DamageKind
from corpusloom.pipelines.datasets.repair import repair
from corpusloom.pipelines.datasets.verify import verify
from corpusloom.schemas import layout
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.manifest import read_manifest
from tests.pipelines.datasets.finished import change_manifest, finished_dataset
from tests.pipelines.small_web import SmallWeb, small_web

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallWeb]:
    with small_web(tmp_path_factory.mktemp("repair")) as made:
        made.scrape()
        made.build("align", "align", shards=16)
        yield made


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.tar")}


def test_the_damaged_shards_and_no_others_are_written(web: SmallWeb) -> None:
    folder = web.folder / "align"
    manifest = read_manifest(str(folder))
    first, second = manifest.shards[0], manifest.shards[2]
    before = times(folder)
    (folder / first.tar.name).unlink()
    (folder / second.sidecar.name).write_bytes(b"x")
    assert repair(str(folder), list(verify(str(folder)))) == manifest
    assert list(verify(str(folder), "deep")) == []
    changed = {name for name, time in times(folder).items() if time != before[name]}
    assert changed == {first.tar.name, second.tar.name}


def test_damage_outside_the_shards_writes_no_shard(web: SmallWeb) -> None:
    folder = web.folder / "align"
    before = times(folder)
    (folder / "ledger" / "select.parquet").write_bytes(b"x")
    repair(str(folder), list(verify(str(folder))))
    assert list(verify(str(folder))) == []
    assert times(folder) == before


def test_a_foreign_file_is_not_overwritten(web: SmallWeb) -> None:
    folder = web.folder / "align"
    (folder / "99999.tar").write_bytes(b"mine")
    damages = list(verify(str(folder)))
    with pytest.raises(InputError, match=r"99999\.tar: is not in the manifest \(move the foreign file"):
        repair(str(folder), damages)
    assert (folder / "99999.tar").read_bytes() == b"mine"
    assert (folder / "manifest.json").exists()
    (folder / "99999.tar").unlink()


def test_a_dataset_whose_stages_are_gone_stays_as_it_is(web: SmallWeb) -> None:
    folder = web.folder / "align"
    work = web.folder / "work"
    work.rename(work.with_name("moved"))
    try:
        with pytest.raises(InputError, match="are missing or have changed"):
            repair(str(folder), [Damage(kind=DamageKind.WRONG_HASH, where="00000.tar", shard=0)])
    finally:
        if work.exists():
            import shutil

            shutil.rmtree(work)
        work.with_name("moved").rename(work)
    assert (folder / "manifest.json").exists()


def test_an_index_of_tars_that_others_made_is_refused(tmp_path: Path) -> None:
    dataset = finished_dataset(tmp_path)
    change_manifest(dataset, recipe=layout.FOREIGN, tables=(), counts=())
    with pytest.raises(InputError, match="which no build can repair"):
        repair(dataset, [])
