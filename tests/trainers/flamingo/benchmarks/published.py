"""A tiny folder of every benchmark, with its files in their published layouts and pictures or frames of videos."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tests.trainers.evaluation.answers.test_wordnet import write_wordnet
from tests.trainers.flamingo.benchmarks.folders import hatefulmemes, okvqa, picture, table, write

RECORDS = 3
SPLITS = (("train", 0), ("test", 100))
"""Name of a split of shots and of one of queries, and the number of its first record."""


def video(folder: Path, name: str, colour: int) -> None:
    """Write the frames of a video."""
    for frame in range(2):
        picture(folder, f"{name}/{frame}.png", colour + frame)


def _karpathy(name: str, folder: Path) -> None:
    images = []
    for split, first in SPLITS:
        for number in range(first, first + RECORDS):
            file = f"COCO_val2014_{number:012d}.png" if name == "coco" else f"{number}.png"
            path = {"filepath": "val2014"} if name == "coco" else {}
            captions = [{"raw": f"A dog, number {number}."}, {"raw": "A cat."}]
            images.append({"filename": file, "split": split, "sentences": captions, **path})
            picture(folder, f"val2014/{file}" if name == "coco" else f"flickr30k-images/{file}", number % 50)
    write(folder, f"dataset_{name}.json", {"images": images})


def _vatex(folder: Path) -> None:
    for split, first in (("training_v1.0", 0), ("public_test_english_v1.1", 100)):
        numbers = range(first, first + RECORDS)
        rows = [{"videoID": f"v{n}_000_010", "enCap": [f"A dog {n}.", "A cat."], "chCap": ["x"]} for n in numbers]
        write(folder, f"vatex_{split}.json", rows)
        for n in numbers:
            video(folder, f"videos/v{n}_000_010", n % 50)


def _youcook2(folder: Path) -> None:
    videos = {}
    for split, first in (("training", 0), ("validation", 100)):
        for n in range(first, first + RECORDS):
            steps = [{"id": 0, "segment": [0, 5], "sentence": f"cut {n} eggs"}]
            videos[f"v{n}"] = {"subset": split, "recipe_type": "101", "annotations": steps}
            video(folder, f"raw_videos/{split}/101/v{n}", n % 50)
    write(folder, "youcookii_annotations_trainval.json", {"database": videos})


def _vqav2(folder: Path) -> None:
    okvqa(folder)
    for split in ("train2014", "val2014"):
        (folder / f"OpenEnded_mscoco_{split}_questions.json").rename(
            folder / f"v2_OpenEnded_mscoco_{'test-dev2015' if split == 'val2014' else split}_questions.json"
        )
        (folder / f"mscoco_{split}_annotations.json").rename(folder / f"v2_mscoco_{split}_annotations.json")
    for n in range(100, 100 + RECORDS):
        picture(folder, f"test2015/COCO_test2015_{n:012d}.jpg", n)


def _textvqa(folder: Path) -> None:
    for split, first in (("train", 0), ("val", 100)):
        numbers = range(first, first + RECORDS)
        rows = [
            {"question_id": n, "image_id": f"f{n}", "question": "Q?", "answers": ["a"] * 9 + ["b"]} for n in numbers
        ]
        write(folder, f"TextVQA_0.5.1_{split}.json", {"data": rows})
        for n in numbers:
            picture(folder, f"train_images/f{n}.jpg", n)


def _vizwiz(folder: Path) -> None:
    for split, first in SPLITS:
        numbers = range(first, first + RECORDS)
        answers = {"answers": [{"answer": "a", "answer_confidence": "yes"}] * 10} if split == "train" else {}
        rows = [{"image": f"VizWiz_{split}_{n}.jpg", "question": "Q?", **answers} for n in numbers]
        write(folder, f"{split}.json", rows)
        for n in numbers:
            picture(folder, f"{split}/VizWiz_{split}_{n}.jpg", n)


def _video_questions(name: str, folder: Path) -> None:
    for split, first in SPLITS:
        numbers = range(first, first + RECORDS)
        rows = [{"answer": "man", "id": n, "question": "who?", "video_id": n} for n in numbers]
        write(folder, f"{split}_qa.json", rows)
        for n in numbers:
            video(folder, f"videos/clip{n}" if name == "msvdqa" else f"videos/video{n}", n % 50)
    if name == "msvdqa":
        write(folder, "youtube_mapping.txt", "".join(f"clip{n} vid{n}\n" for n in range(200)))


def _ivqa(folder: Path) -> None:
    for split, first in SPLITS:
        answers = {f"answer{k}": "egg" for k in range(1, 6)}
        numbers = range(first, first + RECORDS)
        rows = [{"video_id": f"v{n}", "start": 0, "end": 5, "question": "Q?", **answers} for n in numbers]
        write(folder, f"{split}.csv", table(rows))
        for n in numbers:
            video(folder, f"videos/v{n}", n % 50)


def _star(folder: Path) -> None:
    for split, first in SPLITS:
        rows: list[dict[str, Any]] = []
        for n in range(first, first + RECORDS):
            choices = [
                {"choice_id": k, "choice": f"The {word}."} for k, word in enumerate(("egg", "cup", "bed", "door"))
            ]
            row = {"question_id": f"Interaction_T1_{n}", "question": "Q?", "video_id": f"v{n}", "start": 0, "end": 5}
            rows.append(row | {"choices": choices, "answer": "The cup."})
            video(folder, f"videos/v{n}", n % 50)
        write(folder, f"STAR_{split}.json", rows)


def _nextqa(folder: Path) -> None:
    names = {}
    for split, first in SPLITS:
        numbers = range(first, first + RECORDS)
        rows = [{"video": n, "question": "why", "answer": "a dog", "qid": 0, "type": "CW"} for n in numbers]
        write(folder, f"{split}.csv", table(rows))
        for n in numbers:
            names[str(n)] = f"1164/{n}"
            video(folder, f"videos/1164/{n}", n % 50)
    write(folder, "map_vid_vidorID.json", names)
    write_wordnet(folder / "wordnet")


def _visdial(folder: Path) -> None:
    rated = []
    for split, first in (("train", 0), ("val", 100)):
        options = list(range(4))
        dialogues = []
        for n in range(first, first + RECORDS):
            turns = [{"question": 0, "answer": n % 4, "answer_options": options, "gt_index": n % 4} for _ in range(2)]
            dialogues.append({"image_id": n, "caption": "a dog", "dialog": turns})
            picture(folder, f"train2014/COCO_train2014_{n:012d}.jpg", n)
            if split == "val":
                rated.append({"image_id": n, "round_id": 2, "gt_relevance": [float(k == n % 4) for k in options]})
        data = {"dialogs": dialogues, "questions": ["is it red"], "answers": ["yes", "no", "maybe", "a bit"]}
        write(folder, f"visdial_1.0_{split}.json", {"split": split, "data": data})
    write(folder, "visdial_1.0_val_dense_annotations.json", rated)


def _rareact(folder: Path) -> None:
    rows = []
    for n in range(RECORDS):
        action = {"class_id": n % 2, "verb": ("cut", "wash")[n % 2], "noun": "egg", "annotation": 1}
        rows.append({"id": n, "video_id": f"v{n}", "start": 0, "end": 5, **action})
        video(folder, f"videos/v{n}", n)
    write(folder, "rareact.csv", table(rows))


WRITERS: Mapping[str, Callable[[Path], object]] = {
    "coco": partial(_karpathy, "coco"),
    "flickr30k": partial(_karpathy, "flickr30k"),
    "vatex": _vatex,
    "youcook2": _youcook2,
    "vqav2": _vqav2,
    "okvqa": okvqa,
    "textvqa": _textvqa,
    "vizwiz": _vizwiz,
    "msvdqa": partial(_video_questions, "msvdqa"),
    "msrvttqa": partial(_video_questions, "msrvttqa"),
    "ivqa": _ivqa,
    "star": _star,
    "nextqa": _nextqa,
    "visdial": _visdial,
    "hatefulmemes": hatefulmemes,
    "rareact": _rareact,
}


def write_published(name: str, folder: Path) -> str:
    """Write a benchmark's folder with a few records per split."""
    WRITERS[name](folder)
    return str(folder)
