"""Folders of pictures: what is found, when they are labelled, and what is refused."""

from pathlib import Path

import pytest

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.clip.zero_shot import image_folders
from corpusloom.trainers.clip.zero_shot.image_folders import open_folder
from corpusloom.trainers.stream.errors import SampleError


def made(folder: Path, *names: str) -> str:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return str(folder)


def listed(path: Path, *names: str) -> str:
    path.write_text("\n".join(names))
    return str(path)


def test_class_folders_label_the_pictures_below_them(tmp_path: Path) -> None:
    found = open_folder(
        made(tmp_path, "dog/b.JPG", "cat/deep/a.webp", "cat/a.avif", "dog/.hidden.png", "__MACOSX/x.png")
    )
    assert found.labelled
    assert [name.shown for name in found.classes] == ["cat", "dog"]
    assert [(file.key, file.label) for file in found] == [("cat/a.avif", 0), ("cat/deep/a.webp", 0), ("dog/b.JPG", 1)]
    assert [found.label_of(file) for file in found] == [0, 0, 1]
    assert next(iter(found)).image == b"cat/a.avif"
    assert found.notes == ()


def test_folders_are_found_by_any_name_of_a_given_class(tmp_path: Path) -> None:
    folder = made(tmp_path / "in", "House_Cat/a.png", "dog/b.png")
    found = open_folder(folder, listed(tmp_path / "names.txt", "dog", "bird", "cat, house cat"))
    assert [(file.key, file.label) for file in found] == [("dog/b.png", 0), ("House_Cat/a.png", 2)]
    assert len(found.classes) == 3


def test_folders_that_are_no_classes_leave_the_pictures_without_labels(tmp_path: Path) -> None:
    folder = made(tmp_path / "in", "2019/a.png", "2020/b.png")
    found = open_folder(folder, listed(tmp_path / "names.txt", "cat", "dog"))
    assert not found.labelled
    assert [found.label_of(file) for file in found] == [-1, -1]
    assert found.notes == ("the folders are no classes, so the pictures are without labels",)


def test_folders_without_a_picture_and_other_files_are_named(tmp_path: Path) -> None:
    folder = Path(made(tmp_path, "cat/a.png", "dog/b.png", "dog/c.heic", "dog/d.heic", "cat/e"))
    (folder / "bird").mkdir()
    found = open_folder(str(folder))
    assert found.notes == (
        "left out, as their endings are not read: 2 .heic, 1 without an ending",
        "folders without a picture: bird",
    )


@pytest.mark.parametrize(
    ("names", "classes", "message"),
    [
        (["a.png"], (), "the pictures have no labels, and no classes are given .*--classes FILE"),
        (["a.png", "cat/b.png"], (), "no classes are given; 1 pictures are in no class folder"),
        (["cat/b.png"], (), "one class, 'cat'"),
        (["a.png"], ("cat",), "one class, 'cat'"),
        (["train/cat/a.png", "test/cat/b.png"], (), "the folders are splits: test, train .*give .*train"),
        (["cat/a.png", "cow/b.png"], ("cat", "dog"), "1 of 2 folders are no class: cow"),
        (["cat/a.png", "dog/b.png"], ("tom, cat", "puss, cat", "dog"), "'cat' is a name of 'tom' and of 'puss'"),
    ],
)
def test_folders_without_usable_classes_are_refused(
    tmp_path: Path, names: list[str], classes: tuple[str, ...], message: str
) -> None:
    folder = made(tmp_path / "in", *names)
    with pytest.raises(ConfigError, match=message):
        open_folder(folder, listed(tmp_path / "names.txt", *classes) if classes else None)


def test_a_folder_without_pictures_says_which_endings_were_looked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no picture; there are 1 \.heic .*\.jpg \.jpeg .*\.avif"):
        open_folder(made(tmp_path, "a.heic"))
    with pytest.raises(InputError, match="no such folder"):
        open_folder(str(tmp_path / "nowhere"))


def test_a_huge_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_folders, "MOST_BYTES", 3)
    found = open_folder(made(tmp_path, "cat/a.png", "dog/b.png"))
    with pytest.raises(SampleError, match="too_large"):
        _ = next(iter(found)).image
