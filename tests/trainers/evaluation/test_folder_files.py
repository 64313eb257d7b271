"""Files are found at any depth and behind links, and a link upwards does not end in a circle."""

from pathlib import Path

from corpusloom.trainers.evaluation.folder_files import files_below


def test_files_of_linked_folders_are_found_once(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "b.jpg").touch()
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.jpg").touch()
    (folder / "link").symlink_to(outside)
    (outside / "up").symlink_to(folder)
    assert sorted(files_below(str(folder))) == ["a.jpg", "link/deep/b.jpg"]


def test_files_of_another_file_system_are_found(tmp_path: Path) -> None:
    import fsspec

    with fsspec.open("memory://pictures/cats/a.jpg", "wb") as file:
        file.write(b"x")
    assert list(files_below("memory://pictures")) == ["cats/a.jpg"]
