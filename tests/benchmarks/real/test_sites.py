"""Packages are found and unpacked, never installed; a missing one is an error that names it."""

import subprocess
from pathlib import Path

import pytest

from benchmarks.real.sites import Site, find_package, obtain, unpack
from corpusloom.schemas.errors import InputError
from tests.programs import require

SITE = Site("small-site-doc", "usr/share/doc/small", "small.localhost")


def make_package(folder: Path, version: str) -> Path:
    tree = folder / f"tree-{version}"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        f"Package: {SITE.package}\nVersion: {version}\nArchitecture: all\nMaintainer: a <a@b.example>\nDescription: d\n"
    )
    (tree / SITE.root).mkdir(parents=True)
    (tree / SITE.root / "index.html").write_text(version)
    path = folder / f"{SITE.package}_{version}_all.deb"
    subprocess.run(["dpkg-deb", "--build", str(tree), str(path)], check=True, capture_output=True)
    return path


def test_the_newest_package_that_was_given_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require("dpkg-deb")
    make_package(tmp_path, "1.0")
    newest = make_package(tmp_path, "1.1")
    assert find_package(SITE.package, [tmp_path]) == newest
    monkeypatch.chdir(tmp_path)  # --out is relative to where make runs
    root = unpack(SITE, obtain(SITE, Path("cache"), Path()), Path("out"))
    assert (root / "index.html").read_text() == "1.1"


def test_a_folder_without_the_package_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no small-site-doc"):
        obtain(SITE, tmp_path / "cache", tmp_path)


def test_a_broken_package_is_an_error(tmp_path: Path) -> None:
    require("dpkg-deb")
    broken = tmp_path / f"{SITE.package}_1_all.deb"
    broken.write_bytes(b"no archive")
    with pytest.raises(InputError, match="dpkg-deb"):
        unpack(SITE, broken, tmp_path / "out")
