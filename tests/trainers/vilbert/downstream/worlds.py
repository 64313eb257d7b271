"""Small worlds in the original formats: images with regions, questions about them, sentences that refer to one, and
problems with four choices.

Each quarter of an image has a colour, and all of them one animal and a time of day; the features of the quarters, which
are the regions in a random order, say which.
"""

import json
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from corpusloom.pipelines.store.dataset.tars import write_shard
from corpusloom.schemas.identity import make_key
from corpusloom.schemas.records import Member, SidecarRow
from corpusloom.trainers.stream.samples.typed import RegionsSample
from corpusloom.trainers.training.config import RunConfig, load_config
from tests.trainers.datasets import close_shard
from tests.trainers.vilbert.region_pairs import CLASSES, WIDTH, members

COLOURS = ("red", "green", "blue", "yellow")
ANIMALS = ("cat", "dog", "bird", "fish")
SIDE = 100
BOXES = np.array([[0, 0, 50, 50], [50, 0, 100, 50], [0, 50, 50, 100], [50, 50, 100, 100]], np.float32)
"""The quarters of each image, corners in pixels."""
SMALL = (
    "model.vocab_size=64",
    "model.max_tokens=16",
    "model.hidden=32",
    "model.layers=3",
    "model.heads=4",
    "model.ffw=64",
    f"model.feature_width={WIDTH}",
    f"model.class_count={CLASSES}",
    "model.v_hidden=32",
    "model.v_layers=2",
    "model.v_heads=4",
    "model.v_ffw=64",
    "model.co_hidden=32",
    "model.co_heads=4",
    "model.v_connections=[0, 1]",
    "model.t_connections=[1, 2]",
    "model.init_std=0.06",
    "model.dropout=0.0",
    "data.vocab_size=64",
    "data.regions=6",
    "data.tokens=12",
    "train.batch_size=16",
    "train.lr=3e-3",
    "train.warmup=10",
    "train.threads=1",
    "train.workers=0",
    "train.precision=fp32",
    "train.steps=12",
    "train.checkpoint_every=6",
    "train.log_every=12",
    "train.evaluate_every=off",
)


def config(task: str, files: Sequence[str], *assignments: str) -> RunConfig:
    """Return the configuration of a small run of a task."""
    return load_config(f"vilbert-{task}", [*SMALL, f"data.annotations={json.dumps(list(files))}", *assignments])


def colours_of(image: int) -> list[int]:
    """Return the colour of each quarter of an image: all four, in an order of its own."""
    return np.random.default_rng(image).permutation(4).tolist()


def region_sample(image: int) -> RegionsSample:
    """Return the sample of an image; its regions are the quarters in a random order."""
    rng = np.random.default_rng(1000 + image)
    features = rng.normal(0, 0.05, (4, WIDTH)).astype(np.float16)
    features[np.arange(4), colours_of(image)] += 1
    features[:, 4 + image % 4] += 1
    features[:, 8 + image // 4 % 2] += 1
    order = rng.permutation(4)
    probabilities = rng.dirichlet(np.ones(CLASSES), 4).astype(np.float16)
    info = {"regions": {"image_width": SIDE, "image_height": SIDE}}
    key = make_key("pair", str(image))
    return RegionsSample(key, b"jpg", "an image", info, BOXES[order], features[order], probabilities)


def ground_truth_sample(image: int) -> RegionsSample:
    """Return the sample of two ground-truth boxes of an image, the upper quarters, in pixels of a larger version."""
    features = np.zeros((2, WIDTH), np.float16)
    features[np.arange(2), colours_of(image)[:2]] = 2
    info = {"regions": {"image_width": 2 * SIDE, "image_height": 2 * SIDE}}
    probabilities = np.full((2, CLASSES), 1 / CLASSES, np.float16)
    return RegionsSample(make_key("pair", str(image)), b"jpg", "-", info, 2 * BOXES[:2], features, probabilities)


def write_images(folder: Path, images: Sequence[int], make: Callable[[int], RegionsSample] = region_sample) -> str:
    """Write a dataset of regions whose URLs name the images as COCO does; return its path."""
    samples = sorted(((make(image), image) for image in images), key=lambda pair: pair[0].key)
    folder.mkdir(parents=True, exist_ok=True)
    written = write_shard(str(folder / "00000.tar"), [(sample.key, members(sample)) for sample, _ in samples])
    rows = [
        SidecarRow(
            key=sample.key,
            url=f"http://images.example/val2014/COCO_val2014_{image:012d}.jpg",
            caption=sample.text,
            members=tuple(Member(field=f, offset=o, size=s, stored_sha256=h, crc32c=c) for f, o, s, h, c in places),
        )
        for (sample, image), (_, places) in zip(samples, written.samples, strict=True)
    ]
    return close_shard(folder, "regions", rows)


def questions_of(image: int) -> list[tuple[str, str, str]]:
    """Return question, answer and type of answer of an image."""
    day = ("no", "yes")[image // 4 % 2]
    return [("what animal is it?", ANIMALS[image % 4], "other"), ("is it day?", day, "yes/no")]


def write_vqa(folder: Path, images: Sequence[int], *, subset: str = "val2014") -> list[str]:
    """Write two questions about each image, and ten answers to each, of which seven are right."""
    questions, annotations = [], []
    for image in images:
        for number, (question, answer, kind) in enumerate(questions_of(image)):
            key = 10 * image + number
            questions.append({"image_id": image, "question": question, "question_id": key})
            texts = [f"A {answer}."] * 7 + ["maybe"] * 3
            annotations.append(
                {
                    "question_id": key,
                    "image_id": image,
                    "question_type": " ".join(question.split()[:2]),
                    "answer_type": kind,
                    "multiple_choice_answer": answer,
                    "answers": [
                        {"answer": text, "answer_confidence": "yes", "answer_id": place}
                        for place, text in enumerate(texts, 1)
                    ],
                }
            )
    folder.mkdir(parents=True, exist_ok=True)
    files = {"questions": questions, "annotations": annotations}
    for name, rows in files.items():
        content = {"info": {}, "license": {}, "data_type": "mscoco", "data_subtype": subset, name: rows}
        (folder / f"{subset}_{name}.json").write_text(json.dumps(content))
    return [str(folder / f"{subset}_{name}.json") for name in files]


def write_refcoco(folder: Path, images: Sequence[int], held_out: Sequence[int] = ()) -> list[str]:
    """Write sentences that name the colour of a quarter, and the instances; COCO's images are twice as large."""
    refs, annotations = [], []
    for image in images:
        for place, colour in enumerate(colours_of(image)):
            number = 10 * image + place
            x, y, right, bottom = (2 * float(value) for value in BOXES[place])
            annotations.append({"id": number, "image_id": image, "bbox": [x, y, right - x, bottom - y]})
            sentences = [
                {"raw": text, "sent": text, "sent_id": 2 * number + extra, "tokens": text.split()}
                for extra, text in enumerate((f"the {COLOURS[colour]} one", f"{COLOURS[colour]}"))
            ]
            refs.append(
                {
                    "ref_id": number,
                    "ann_id": number,
                    "category_id": 1,
                    "image_id": image,
                    "file_name": f"COCO_train2014_{image:012d}_{number}.jpg",
                    "split": "val" if image in held_out else "train",
                    "sent_ids": [sentence["sent_id"] for sentence in sentences],
                    "sentences": sentences,
                }
            )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "refs(unc).p").write_bytes(pickle.dumps(refs, protocol=2))
    sizes = [{"id": image, "width": 2 * SIDE, "height": 2 * SIDE, "file_name": f"{image}.jpg"} for image in images]
    (folder / "instances.json").write_text(json.dumps({"images": sizes, "annotations": annotations}))
    return [str(folder / "refs(unc).p"), str(folder / "instances.json")]


def write_vcr(folder: Path, images: Sequence[int], *, split: str, labels: bool = True) -> str:
    """Write a question about each image: answers and rationales name the four animals, and people are object 0."""
    rows = []
    for image in images:
        order = np.random.default_rng(image).permutation(4).tolist()
        reasons = order[::-1]
        row = {
            "annot_id": f"{split}-{image}",
            "img_id": f"{split}-{image}",
            "img_fn": f"a film/COCO_val2014_{image:012d}.jpg",
            "metadata_fn": f"a film/COCO_val2014_{image:012d}.json",
            "objects": ["person", "bottle", "person"],
            "question": ["what", "animal", "do", [0, 2], "see", "?"],
            "answer_choices": [["it", "is", "a", ANIMALS[kind], "."] for kind in order],
            "rationale_choices": [[[2], "says", ANIMALS[kind]] for kind in reasons],
        }
        if labels:
            row |= {"answer_label": order.index(image % 4), "rationale_label": reasons.index(image % 4)}
        rows.append(row)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{split}.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return str(path)
