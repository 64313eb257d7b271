"""The files of a benchmark's split in a folder."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from corpusloom.schemas import storage
from corpusloom.trainers.flamingo.benchmarks.benchmark import FewShotBenchmark


@dataclass(frozen=True, slots=True)
class SplitSource:
    """A benchmark's split in a folder."""

    benchmark: FewShotBenchmark
    folder: str
    split: str

    @property
    def path(self) -> str:
        """Path of the file of records."""
        return storage.join(self.folder, self.benchmark.file.format(split=self.split))

    @property
    def answers(self) -> str:
        """Path of the file of answers, of a benchmark that has one."""
        return storage.join(self.folder, (self.benchmark.answers or "").format(split=self.split))

    def media(self, fields: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the paths of a record's image or video; ValueError for one that leads out of the folder."""
        images = self.benchmark.image_splits.get(self.split, self.split)
        known = {**fields, "split": self.split, "images": images}
        names = [posixpath.normpath(pattern.format_map(known)) for pattern in self.benchmark.media]
        for name in names:
            if name.startswith(("/", "..")):
                raise ValueError(f"the path {name} leads out of the folder")
        return tuple(storage.join(self.folder, name) for name in names)

    def prompt(self, text: str) -> str:
        """Return the text between an image and its answer."""
        return self.benchmark.prompt.replace("{text}", text)
