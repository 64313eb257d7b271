"""The evaluation set in CLIP_benchmark's layout."""

import io
import tarfile
from pathlib import Path

from corpusloom.pipelines.demo import drawing
from corpusloom.pipelines.demo.evaluation_set import write_zero_shot


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
