"""VisDial's format: dialogues of ten questions about an image, each with 100 candidates (arXiv 1611.08669)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from corpusloom.schemas import storage
from corpusloom.trainers.flamingo.benchmarks.formats.source import SplitSource
from corpusloom.trainers.flamingo.benchmarks.items import Item
from corpusloom.trainers.flamingo.prompts.episodes import dialogue
from corpusloom.trainers.formats.rows import read_json, read_rows, record_errors


def read_dialogues(source: SplitSource) -> list[Item]:
    """Return the turns of a split; with a file of relevances, those that it has: one per dialogue."""
    with record_errors(source.path):
        data = read_json(source.path)["data"]
        dialogues, questions, answers = data["dialogs"], data["questions"], data["answers"]
    relevance = _relevance(source.answers) if storage.exists(source.answers) else None
    items: list[Item] = []
    for number, row in enumerate(dialogues):
        with record_errors(source.path, number):
            turns = _turns(source, row, questions, answers)
            items += (
                turns if relevance is None else (_rated(turn, relevance) for turn in turns if _key(turn) in relevance)
            )
    return items


def _key(item: Item) -> tuple[int, int]:
    return int(item.info["image_id"]), int(item.info["round_id"])


def _rated(item: Item, relevance: dict[tuple[int, int], tuple[float, ...]]) -> Item:
    """Return a turn with the relevance of its candidates."""
    gains = relevance[_key(item)]
    if len(gains) != len(item.candidates):
        raise ValueError(f"{len(gains)} relevances of {len(item.candidates)} candidates")
    return replace(item, gains=gains)


def _turns(source: SplitSource, row: dict[str, Any], questions: list[str], answers: list[str]) -> Iterator[Item]:
    before: list[tuple[str, str]] = []
    for number, turn in enumerate(row["dialog"], 1):
        asked = questions[turn["question"]]
        options = turn.get("answer_options")
        if options is not None:
            yield Item(
                key=f"{row['image_id']}_{number}",
                media=source.media(row),
                prompt=dialogue(row["caption"], before, asked),
                candidates=tuple(answers[option] for option in options),
                own=turn.get("gt_index"),
                info={"image_id": row["image_id"], "round_id": number},
            )
        if "answer" in turn:
            before.append((asked, answers[turn["answer"]]))


def _relevance(path: str) -> dict[tuple[int, int], tuple[float, ...]]:
    """Return (image, round from 1) -> relevance of each candidate; its key differs between the splits."""
    found = {}
    for number, row in enumerate(read_rows(path)):
        with record_errors(path, number):
            gains = row["gt_relevance"] if "gt_relevance" in row else row["relevance"]
            found[int(row["image_id"]), int(row["round_id"])] = tuple(map(float, gains))
    return found
