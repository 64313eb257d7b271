"""Writes what is asked about scenes in the files of VQA v2, VCR and RefCOCO, and captions in Karpathy's."""

import json
import pickle
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.claims_vilbert.questions import CHOICES, QUESTIONS, choices, expressions, questions
from benchmarks.claims_vilbert.world import HEIGHT, SHAPES, WIDTH, Scene

ANNOTATORS, RIGHT = 10, 9
"""Answers to a question of VQA, and those of them that are right."""
TRAIN, VAL = "train", "val"
Splits = dict[str, Sequence[Scene]]
"""train and val -> scenes."""


def file_name(scene: Scene) -> str:
    """Return the name of a scene's image, which ends with its number as COCO's do."""
    return f"COCO_world_{scene.number:012d}.jpg"


def write_vqa(folder: Path, splits: Splits) -> list[str]:
    """Write questions and annotations of each split; the answers that are not right are those to other questions."""
    paths = []
    for split, scenes in splits.items():
        asked, answered = [], []
        for scene in scenes:
            found, rng = questions(scene), scene.rng(21)
            for place, question in enumerate(found):
                key, wrong = QUESTIONS * scene.number + place, found[place - 1].answer
                given = [question.answer] * RIGHT + [wrong] * (ANNOTATORS - RIGHT)
                asked.append({"image_id": scene.number, "question": question.text, "question_id": key})
                answered.append(
                    {
                        "question_id": key,
                        "image_id": scene.number,
                        "question_type": " ".join(question.text.split()[:2]),
                        "answer_type": question.type,
                        "multiple_choice_answer": question.answer,
                        "answers": [
                            {"answer": given[at], "answer_confidence": "yes", "answer_id": number}
                            for number, at in enumerate(rng.permutation(ANNOTATORS), 1)
                        ],
                    }
                )
        for name, rows in (("questions", asked), ("annotations", answered)):
            content = {"info": {}, "license": {}, "data_type": "mscoco", "data_subtype": f"{split}2014", name: rows}
            paths.append(_write(folder / f"v2_mscoco_{split}2014_{name}.json", json.dumps(content).encode()))
    return paths


def write_vcr(folder: Path, splits: Splits) -> list[str]:
    """Write a question on an object of each scene with its answers and rationales, and the scenes' metadata."""
    paths = []
    for split, scenes in splits.items():
        rows = []
        for scene in scenes:
            asked, rng = choices(scene), scene.rng(22)
            answers, rationales = (rng.permutation(CHOICES).tolist() for _ in range(2))
            name = Path(file_name(scene)).stem
            metadata = {
                "boxes": [[*map(float, thing.box), 1.0] for thing in scene.things],
                "segms": [[] for _ in scene.things],
                "names": [thing.shape for thing in scene.things],
            }
            _write(folder / "world" / f"{name}.json", json.dumps(metadata).encode())
            rows.append(
                {
                    "annot_id": f"{split}-{scene.number}",
                    "img_id": f"{split}-{scene.number}",
                    "img_fn": f"world/{name}.jpg",
                    "metadata_fn": f"world/{name}.json",
                    "objects": [thing.shape for thing in scene.things],
                    "question": ["what", "colour", "is", [asked.thing], "?"],
                    "answer_choices": [asked.answers[at].split() for at in answers],
                    "answer_label": answers.index(0),
                    "rationale_choices": [asked.rationales[at].split() for at in rationales],
                    "rationale_label": rationales.index(0),
                    "match_fold": f"{split}-0",
                }
            )
        paths.append(_write(folder / f"{split}.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows).encode()))
    return paths


def write_refcoco(folder: Path, splits: Splits) -> list[str]:
    """Write expressions as refs(world).p, and all objects as instances.json."""
    refs, annotations, images = list[dict[str, Any]](), list[dict[str, Any]](), list[dict[str, Any]]()
    for split, scenes in splits.items():
        for scene in scenes:
            images.append({"id": scene.number, "width": WIDTH, "height": HEIGHT, "file_name": file_name(scene)})
            for at, thing in enumerate(scene.things):
                x, y, right, bottom = map(float, thing.box)
                kind = SHAPES.index(thing.shape) + 1
                row = {"id": 10 * scene.number + at, "image_id": scene.number, "category_id": kind}
                annotations.append({**row, "bbox": [x, y, right - x, bottom - y]})
            for at, text in expressions(scene):
                number = 10 * scene.number + at
                sentence = {"raw": text, "sent": text, "sent_id": number, "tokens": text.split()}
                refs.append(
                    {
                        "ref_id": number,
                        "ann_id": number,
                        "category_id": SHAPES.index(scene.things[at].shape) + 1,
                        "image_id": scene.number,
                        "file_name": file_name(scene),
                        "split": split,
                        "sent_ids": [number],
                        "sentences": [sentence],
                    }
                )
    instances = {"images": images, "annotations": annotations, "categories": _categories()}
    return [
        _write(folder / "refs(world).p", pickle.dumps(refs, protocol=2)),  # RefCOCO's own format
        _write(folder / "instances.json", json.dumps(instances).encode()),
    ]


def write_captions(folder: Path, splits: Splits) -> list[str]:
    """Write the captions as dataset_world.json in Karpathy's layout."""
    rows = [
        {
            "filename": file_name(scene),
            "imgid": scene.number,
            "split": split,
            "sentids": [scene.number],
            "sentences": [
                {"raw": scene.caption, "tokens": scene.caption.split(), "imgid": scene.number, "sentid": scene.number}
            ],
        }
        for split, scenes in splits.items()
        for scene in scenes
    ]
    return [_write(folder / "dataset_world.json", json.dumps({"images": rows, "dataset": "world"}).encode())]


def _categories() -> list[dict[str, Any]]:
    return [{"id": number, "name": name} for number, name in enumerate(SHAPES, 1)]


def _write(path: Path, data: bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path)


def write_words(path: Path, words: Iterable[str]) -> str:
    """Write a vocabulary as BERT's vocab.txt."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(words)]
    return _write(path, "".join(f"{piece}\n" for piece in pieces).encode())
