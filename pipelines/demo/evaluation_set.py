"""Pictures as an evaluation set for zero-shot classification, in CLIP_benchmark's layout."""

import io
import tarfile
from collections.abc import Iterable

from corpusloom.pipelines.demo import drawing, grammar
from corpusloom.schemas import storage


def write_zero_shot(folder: str, pictures: list[drawing.Picture]) -> None:
    """Write pictures with the numbers of their classes: test/0.tar, classnames.txt, templates."""
    labels = drawing.combinations()
    names = labels if any(p.label not in drawing.classes() for p in pictures) else drawing.classes()
    drawn = ((names.index(picture.label), drawing.encode(drawing.draw(picture), "jpg")) for picture in pictures)
    write_split(folder, "test", drawn)
    templates = "\n".join(template.replace("{}", "{c}") for template in grammar.PROMPTS)
    storage.write_bytes(storage.join(folder, "zeroshot_classification_templates.txt"), templates.encode())
    storage.write_bytes(storage.join(folder, "classnames.txt"), "\n".join(names).encode())


def write_captioned(folder: str, captioned: Iterable[tuple[str, bytes]]) -> None:
    """Write images whose captions name one of the classes that pages show as the split `train`."""
    names = drawing.classes()
    labelled = ((grammar.label_of(caption), image) for caption, image in captioned)
    write_split(folder, "train", ((names.index(label), image) for label, image in labelled if label in names))


def write_split(folder: str, split: str, labelled: Iterable[tuple[int, bytes]]) -> None:
    """Write encoded images with the numbers of their classes as one shard of a split."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for number, (label, image) in enumerate(labelled):
            for extension, data in (("cls", str(label).encode()), ("jpg", image)):
                info = tarfile.TarInfo(f"s{number:07d}.{extension}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    storage.write_bytes(storage.join(folder, split, "0.tar"), buffer.getvalue())
    storage.write_bytes(storage.join(folder, split, "nshards.txt"), b"1")
