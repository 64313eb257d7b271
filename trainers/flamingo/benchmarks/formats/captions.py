"""Captions of images in Karpathy's layout, and of parts of videos in YouCook2's."""

import re
from collections.abc import Iterator

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.clip.zero_shot.retrieval.karpathy import open_karpathy
from corpusloom.trainers.flamingo.benchmarks.formats.source import SplitSource
from corpusloom.trainers.flamingo.benchmarks.items import Item
from corpusloom.trainers.formats.rows import read_json, record_errors


def read_karpathy(source: SplitSource) -> list[Item]:
    """Return the images of a split. Their names in a submission are COCO's numbers, or else those of the files."""
    return [
        Item(
            key=_image_id(file.key),
            media=source.media({"name": file.key}),
            prompt=source.prompt(""),
            references=file.captions,
        )
        for file in open_karpathy(source.path, source.folder, source.split)
    ]


def _image_id(name: str) -> str | int:
    number = re.search(r"COCO_\w+_(\d{12})\.", name)
    return name.rsplit("/", 1)[-1] if number is None else int(number[1])


def read_youcook2(source: SplitSource) -> list[Item]:
    """Return the steps of the videos of a split; InputError if there is none."""
    value = read_json(source.path)
    with record_errors(source.path):
        videos = [(name, video) for name, video in value["database"].items() if video["subset"] == source.split]
    items: list[Item] = []
    for name, video in videos:
        with record_errors(f"{source.path}: {name}"):
            items += _steps(source, name, video)
    if not items:
        raise InputError(f"no video in the split {source.split!r}", where=source.path, remedy="training or validation")
    return items


def _steps(source: SplitSource, name: str, video: dict[str, object]) -> Iterator[Item]:
    steps: object = video["annotations"]
    for step in steps if isinstance(steps, list) else []:
        start, end = step["segment"]
        yield Item(
            key=f"{name}_{step['id']}",
            media=source.media({**video, "video": name}),
            start=float(start),
            end=float(end),
            prompt=source.prompt(""),
            references=(str(step["sentence"]),),
        )
