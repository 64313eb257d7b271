"""Readers of benchmarks by the name of their format."""

from collections.abc import Callable, Mapping

from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError
from corpusloom.trainers.flamingo.benchmarks.benchmark import FewShotBenchmark
from corpusloom.trainers.flamingo.benchmarks.formats.actions import read_actions
from corpusloom.trainers.flamingo.benchmarks.formats.captions import read_karpathy, read_youcook2
from corpusloom.trainers.flamingo.benchmarks.formats.dialogues import read_dialogues
from corpusloom.trainers.flamingo.benchmarks.formats.questions import read_questions
from corpusloom.trainers.flamingo.benchmarks.formats.records import read_records
from corpusloom.trainers.flamingo.benchmarks.formats.source import SplitSource
from corpusloom.trainers.flamingo.benchmarks.items import Item
from corpusloom.trainers.formats.rows import REMEDY

READERS: Mapping[str, Callable[[SplitSource], list[Item]]] = {
    "actions": read_actions,
    "dialogues": read_dialogues,
    "karpathy": read_karpathy,
    "questions": read_questions,
    "records": read_records,
    "youcook2": read_youcook2,
}


def read_items(benchmark: FewShotBenchmark, folder: str, split: str) -> list[Item]:
    """Return the records of a benchmark's split in a folder."""
    return READERS[benchmark.reader](find_records(benchmark, folder, split))


def find_records(benchmark: FewShotBenchmark, folder: str, split: str) -> SplitSource:
    """Return a benchmark's split; InputError if its folder or its file of records is not there. Nothing is read."""
    if not storage.is_folder(folder):
        raise InputError("no such folder", where=folder, remedy="--data is the folder of the benchmark's files")
    source = SplitSource(benchmark, folder, split)
    if not storage.exists(source.path):
        raise InputError("no such file", where=source.path, remedy=REMEDY)
    return source
