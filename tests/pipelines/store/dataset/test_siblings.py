"""Datasets on one image store are found by their entries in it, and without one if they lie side by side."""

import json
from pathlib import Path

from corpusloom.pipelines.store.dataset.siblings import FOLDER, datasets_on, register


def dataset(folder: Path, store: Path, *, finished: bool = True) -> str:
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"build": {"store": str(store)}}))
    if finished:
        (folder / "manifest.json").write_text("{}")
    return str(folder)


def test_a_dataset_elsewhere_is_found_by_its_entry(tmp_path: Path) -> None:
    store = tmp_path / "store"
    own, far = dataset(tmp_path / "a" / "own", store), dataset(tmp_path / "b" / "far", store)
    assert datasets_on(str(store), beside=own) == []
    for path in (own, far, far):
        register(str(store), path)
    assert datasets_on(str(store), beside=own) == [far]
    assert datasets_on(str(store), beside=f"{far}/") == [own]
    assert len(list((store / FOLDER).iterdir())) == 2


def test_a_neighbour_is_found_without_an_entry(tmp_path: Path) -> None:
    store = tmp_path / "store"
    own, near = dataset(tmp_path / "own", store), dataset(tmp_path / "near", store)
    dataset(tmp_path / "unfinished", store, finished=False)
    dataset(tmp_path / "other", tmp_path / "other-store")
    assert datasets_on(str(store), beside=own) == [near]


def test_entries_of_datasets_that_are_gone_or_damaged_are_passed_over(tmp_path: Path) -> None:
    store = tmp_path / "store"
    register(str(store), str(tmp_path / "gone"))
    (store / FOLDER / "x.json").write_text("no JSON")
    (store / FOLDER / "y.json").write_text("[]")
    near = Path(dataset(tmp_path / "near", store))
    (near / "run.json").write_text("[1]")
    assert datasets_on(str(store), beside=str(tmp_path / "own")) == []
