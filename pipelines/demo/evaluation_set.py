"""Pictures as an evaluation set for zero-shot classification, in CLIP_benchmark's layout."""

import io
import tarfile

from corpusloom.pipelines.demo import drawing, grammar
from corpusloom.schemas import storage


def write_zero_shot(folder: str, pictures: list[drawing.Picture]) -> None:
    """Write pictures with the numbers of their classes: test/0.tar, classnames.txt, templates."""
    labels = [f"{colour} {shape}" for shape in drawing.SHAPES for colour in drawing.COLOURS]
    names = labels if any(p.label not in drawing.classes() for p in pictures) else drawing.classes()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for number, picture in enumerate(pictures):
            members = {
                "cls": str(names.index(picture.label)).encode(),
                "jpg": drawing.encode(drawing.draw(picture), "jpg"),
            }
            for extension, data in members.items():
                info = tarfile.TarInfo(f"s{number:07d}.{extension}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    storage.write_bytes(storage.join(folder, "test", "0.tar"), buffer.getvalue())
    storage.write_bytes(storage.join(folder, "test", "nshards.txt"), b"1")
    templates = "\n".join(template.replace("{}", "{c}") for template in grammar.PROMPTS)
    storage.write_bytes(storage.join(folder, "zeroshot_classification_templates.txt"), templates.encode())
    storage.write_bytes(storage.join(folder, "classnames.txt"), "\n".join(names).encode())
