"""RareAct's format: parts of videos, each with a verb and a noun and how it relates to them (arXiv 2008.01018)."""

from corpusloom.trainers.flamingo.benchmarks.formats.records import seconds
from corpusloom.trainers.flamingo.benchmarks.formats.source import SplitSource
from corpusloom.trainers.flamingo.benchmarks.items import Item
from corpusloom.trainers.formats.rows import read_rows, record_errors

POSITIVE, NEGATIVE = 1, 0
"""Annotations of the action of a record; others are hard negatives: the verb or the noun alone is right."""


def read_actions(source: SplitSource) -> list[Item]:
    """Return the parts of videos; the candidates of each are all actions, in the order of their class ids."""
    rows, actions = read_rows(source.path), dict[int, tuple[str, str]]()
    for number, row in enumerate(rows):
        with record_errors(source.path, number):
            actions[int(row["class_id"])] = (row["verb"], row["noun"])
    classes = sorted(actions)
    candidates = tuple(sentence(*actions[number]) for number in classes)
    items = []
    for number, row in enumerate(rows):
        with record_errors(source.path, number):
            items.append(
                Item(
                    key=str(row["id"]),
                    media=source.media(row),
                    start=seconds(row, "start"),
                    end=seconds(row, "end"),
                    prompt=source.prompt(""),
                    candidates=candidates,
                    own=classes.index(int(row["class_id"])),
                    info={**row, "annotation": int(row["annotation"])},
                )
            )
    return items


def sentence(verb: str, noun: str) -> str:
    """Return a person's action: the verb in the third person, and an article before the noun (section 4.1.3)."""
    return f"a person {third_person(verb)} {'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def third_person(verb: str) -> str:
    """Return the third person of a regular verb."""
    if verb.endswith(("s", "sh", "ch", "x", "z", "o")):
        return f"{verb}es"
    return f"{verb[:-1]}ies" if verb.endswith("y") and verb[-2:-1] not in "aeiou" else f"{verb}s"
