"""Benchmarks whose records are rows with a question and its answers: most of those of questions about videos."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from corpusloom.schemas import storage
from corpusloom.trainers.flamingo.benchmarks.formats.source import SplitSource
from corpusloom.trainers.flamingo.benchmarks.items import Item
from corpusloom.trainers.formats.rows import (
    RawRecord,
    read_json,
    read_names,
    read_rows,
    record_errors,
)


def read_records(source: SplitSource) -> list[Item]:
    """Return a split's records; InputError names the file and the record that cannot be used."""
    benchmark = source.benchmark
    names = read_names(storage.join(source.folder, benchmark.names)) if benchmark.names else {}
    added = _added(source.answers) if benchmark.answers and storage.exists(source.answers) else {}
    items = []
    for number, row in enumerate(read_rows(source.path, benchmark.records)):
        with record_errors(source.path, number):
            item = _item(source, _named(row, names))
            more = added.get(str(row.get("video")), {}).get(str(row.get("qid")))
            items.append(item if more is None else replace(item, references=(*item.references, more)))
    return items


def _added(path: str) -> dict[str, dict[str, str]]:
    """Return video -> number of a question -> its second reference (NExT-QA)."""
    with record_errors(path):
        return {
            str(video): {str(key): str(text) for key, text in own.items()} for video, own in read_json(path).items()
        }


def _named(row: RawRecord, names: dict[str, str]) -> RawRecord:
    """Return a row with the `name` of its video, looked up by `video`, or by vid and the number `video_id` (MSVD)."""
    if not names:
        return row
    key = str(row["video"]) if "video" in row else f"vid{row['video_id']}"
    return {**row, "name": names.get(key, key)}


def _item(source: SplitSource, row: RawRecord) -> Item:
    benchmark = source.benchmark
    answers = tuple(text for field in benchmark.references if field in row for text in texts_of(row[field]))
    candidates = tuple(texts_of(row[benchmark.choices], "choice")) if benchmark.choices else benchmark.candidates
    own = None
    if candidates and answers:
        own = candidates.index(answers[0]) if benchmark.choices else int(answers[0])
    text = str(row[benchmark.text]) if benchmark.text else ""
    return Item(
        key=key_of(benchmark.key, row),
        media=source.media(row),
        start=seconds(row, "start"),
        end=seconds(row, "end"),
        prompt=source.prompt(text),
        references=() if candidates else answers,
        candidates=candidates,
        own=own,
        gains=gains_of(own, len(candidates)),
        info=row,
    )


def gains_of(own: int | None, count: int) -> tuple[float, ...]:
    """Return 1 for the right one of `count` candidates and 0 for the others; nothing if it is not known."""
    return () if own is None else tuple(float(number == own) for number in range(count))


def key_of(pattern: str, row: RawRecord) -> str | int:
    """Return a record's name; a pattern of one field keeps that field's type."""
    name = pattern[1:-1]
    return row[name] if name in row and isinstance(row[name], int) else pattern.format_map(row)


def seconds(row: RawRecord, name: str) -> float | None:
    """Return a time in seconds; None if the record has none."""
    return None if row.get(name) in (None, "") else float(row[name])


def texts_of(value: Any, name: str = "answer") -> Iterator[str]:
    """Yield the texts of a field: one text, a list of texts, or of objects with the text under `name`."""
    if not isinstance(value, str | int):
        many: Iterable[Any] = value
        for entry in many:
            yield from texts_of(entry[name] if isinstance(entry, dict) else entry)
    elif str(value).strip():
        yield str(value)
