"""`loom images` works on a recipe or on a store, and refuses a mixture of both."""

import json
import shutil
from pathlib import Path

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.pipelines.cli.commands import build, images
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.schemas.errors import ConfigError, InputError
from tests.pipelines.small_web import SmallWeb
from tests.pipelines.store.store_maker import fill, outcomes, wanted


@pytest.mark.parametrize(
    "flag", [{"retry": "dead"}, {"refetch": True}, {"recheck": True}, {"reindex": True}, {"sweep": True}]
)
def test_a_recipe_takes_no_flag_of_a_store(flag: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="works on a store, not on a recipe"):
        images.Command(recipe="m3w", out="out", **flag).run()  # type: ignore[arg-type]


def test_a_recipe_needs_a_folder_and_runs_up_to_its_images(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(build.BuildFlags, "run_until", lambda _, until, alone=False: asked.append(until) or 0)
    with pytest.raises(ConfigError, match="a recipe needs --out"):
        images.Command(recipe="m3w").run()
    assert images.Command(recipe="m3w", out="out").run() == 0
    assert asked == ["images"]


def test_a_store_must_be_named_and_something_asked_of_it() -> None:
    with pytest.raises(ConfigError, match="name a recipe or a --store"):
        images.Command().run()
    with pytest.raises(ConfigError, match="nothing to do"):
        images.Command(store="store").run()


@pytest.mark.parametrize("flags", [["--reindex"], ["--recheck"], ["--sweep"], ["--retry", "dead"], ["--refetch"]])
def test_work_on_a_store_that_is_not_there_is_refused(flags: list[str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="misspelt: holds no image store"):
        main.run(["images", "--store", str(tmp_path / "misspelt"), "--contact", "me@example.org", *flags])
    assert not list(tmp_path.iterdir())


def test_a_lost_index_is_rebuilt_from_the_packs(
    web: SmallWeb, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(web.folder / "store", tmp_path / "store")
    before = ImageStore(str(tmp_path / "store")).index()
    for part in (tmp_path / "store").rglob("*.parquet"):
        part.unlink()
    assert main.run(["images", "--store", str(tmp_path / "store"), "--reindex", "--sweep"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"reindex", "sweep"}
    after = ImageStore(str(tmp_path / "store")).index()
    assert len(list(before.kept())) > 0
    assert sorted(after.kept()) == sorted(before.kept())


def test_doubtful_outcomes_are_withdrawn_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = fill(tmp_path / "store", outcomes())
    for pack in (tmp_path / "store" / "packs").iterdir():  # as earlier versions wrote them
        pack.write_bytes(pack.read_bytes().replace(b"bodies: whole", b"bodies: known"))
    found = []
    for _ in range(2):
        assert main.run(["images", "--store", store.folder, "--recheck", "--workers", "0"]) == 0
        found.append(json.loads(capsys.readouterr().out)["recheck"])
    assert [(report["withdrawn"], report["generation"]) for report in found] == [({"not_an_image": 1}, 2), ({}, 2)]
    assert wanted("html").key not in ImageStore(store.folder).index()
