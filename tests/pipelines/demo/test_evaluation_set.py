"""The evaluation set in CLIP_benchmark's layout."""

import io
import tarfile
from pathlib import Path

from corpusloom.pipelines.demo import drawing
from corpusloom.pipelines.demo.evaluation_set import write_captioned, write_zero_shot


def test_an_evaluation_set_holds_each_picture_with_the_number_of_its_class(tmp_path: Path) -> None:
    pictures = drawing.evaluation_pictures(1)[:5]
    write_zero_shot(str(tmp_path), pictures)
    names = (tmp_path / "classnames.txt").read_text().splitlines()
    assert names == drawing.classes()
    with tarfile.open(fileobj=io.BytesIO((tmp_path / "test" / "0.tar").read_bytes())) as tar:
        classes = [tar.extractfile(name).read() for name in tar.getnames() if name.endswith(".cls")]  # type: ignore[union-attr]
        assert len(tar.getnames()) == 10
    assert [names[int(number)] for number in classes] == [picture.label for picture in pictures]
    assert "a large {c}" in (tmp_path / "zeroshot_classification_templates.txt").read_text().splitlines()
    write_zero_shot(str(tmp_path / "unseen"), drawing.unseen_pictures(1))
    every = len(drawing.COLOURS) * len(drawing.SHAPES)
    assert len((tmp_path / "unseen" / "classnames.txt").read_text().splitlines()) == every


def test_captioned_images_are_the_train_split_if_their_caption_names_a_class_that_pages_show(tmp_path: Path) -> None:
    colour, shape = drawing.UNSEEN[0]
    captions = ("two small red circles in a row", "our neighbour", f"a {colour} {shape}", "a large blue ring")
    write_captioned(str(tmp_path), ((caption, caption.encode()) for caption in captions))
    with tarfile.open(tmp_path / "train" / "0.tar") as tar:
        found = [tar.extractfile(name).read().decode() for name in tar.getnames()]  # type: ignore[union-attr]
    number = drawing.classes().index
    assert found == [str(number("red circle")), captions[0], str(number("blue ring")), captions[3]]
