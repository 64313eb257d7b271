"""VQA's format: questions about images in one file, ten answers to each in another (arXiv 1505.00468)."""

from corpusloom.schemas import storage
from corpusloom.trainers.flamingo.benchmarks.formats.records import texts_of
from corpusloom.trainers.flamingo.benchmarks.formats.source import SplitSource
from corpusloom.trainers.flamingo.benchmarks.items import Item
from corpusloom.trainers.formats.rows import read_rows, record_errors


def read_questions(source: SplitSource) -> list[Item]:
    """Return a split's questions, without answers if there is no file of annotations."""
    answers = _answers(source.answers) if storage.exists(source.answers) else {}
    items = []
    for number, row in enumerate(read_rows(source.path, "questions")):
        with record_errors(source.path, number):
            key = row["question_id"]
            items.append(
                Item(
                    key=key,
                    media=source.media(row),
                    prompt=source.prompt(row["question"]),
                    references=answers[key] if answers else (),
                )
            )
    return items


def _answers(path: str) -> dict[int, tuple[str, ...]]:
    """Return the answers to each question."""
    found = {}
    for number, row in enumerate(read_rows(path, "annotations")):
        with record_errors(path, number):
            found[row["question_id"]] = tuple(texts_of(row["answers"]))
    return found
