"""Fine-tunes the demo's Flamingo on dialogues and prints six new ones: `python -m benchmarks.dialogues --demo demo`.

Pictures of the bundled world and four questions on each are written as a VisDial folder; `loom benchmark-data` makes it
a dataset, and flamingo-adapt trains on it. The six dialogues are on two pictures each, with seeds of their own. They
are printed as they came out; the right answer stands behind a wrong one. Finished steps are not done again.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from PIL import Image

from corpusloom.pipelines.cli.main import run
from corpusloom.pipelines.demo import drawing
from corpusloom.pipelines.demo.drawing import Picture
from corpusloom.trainers.flamingo.chat.dialogue import DialogueForm
from corpusloom.trainers.flamingo.chat.session import Session
from corpusloom.trainers.flamingo.decoding import DecodingConfig
from corpusloom.trainers.jobs.chat import open_responder

DIALOGUES, TURNS, SHOWN = 600, 4, 6
FIRST_SEED = 30_000_000
"""First seed, far from those of other pictures; each split has a million."""
SPLITS = ("train", "val", "shown")
FOLDERS = {"train": "train2014", "val": "val2014", "shown": "shown"}
ASPECTS = {
    "what colour is it": "colour",
    "what shape is it": "shape",
    "how many are there": "number",
    "how large is it": "size",
    "what is the colour of the paper": "background",
    "what pattern has the paper": "pattern",
}
"""Question -> the property of a picture that answers it."""
VALUES = {
    "colour": tuple(drawing.COLOURS),
    "shape": drawing.SHAPES,
    "number": ("one", "two", "three"),
    "size": tuple(drawing.SIZES),
    "background": tuple(drawing.BACKGROUNDS),
    "pattern": drawing.PATTERNS,
}
ANSWERS = sorted({value for values in VALUES.values() for value in values})


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkConfig:
    """Folder of the demo, and the training."""

    demo: str = "demo"
    """Folder of a finished `loom demo`."""
    out: str = "dialogues"
    """Folder of the results, in that of the demo."""
    set: tuple[str, ...] = ("train.steps=400", "train.lr=1e-3", "train.batch_size=16", "train.threads=1")
    """Changes of flamingo-adapt, KEY=VALUE, beside those that suit a picture of 64 pixels on a CPU."""


def pictures(split: str, count: int) -> list[Picture]:
    """Return new pictures of random classes, also of those that no page shows."""
    first = FIRST_SEED + 1_000_000 * SPLITS.index(split)
    rng = np.random.default_rng(first)
    labels = drawing.combinations()
    return [drawing.make_picture(str(label), first + n) for n, label in enumerate(rng.choice(labels, count))]


def answer_to(picture: Picture, question: str) -> str:
    """Return the right answer."""
    aspect = ASPECTS[question]
    return VALUES["number"][picture.count - 1] if aspect == "number" else str(getattr(picture, aspect))


def questions_for(number: int, count: int) -> list[str]:
    """Return different questions in a random order."""
    return [str(asked) for asked in np.random.default_rng([FIRST_SEED, number]).permutation(list(ASPECTS))[:count]]


def write_picture(folder: Path, split: str, number: int, picture: Picture) -> Path:
    """Write a picture under the name that VisDial's images have."""
    path = folder / FOLDERS[split] / f"COCO_{FOLDERS[split]}_{number:012d}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(drawing.draw(picture)).save(path)
    return path


def write_visdial(folder: Path) -> None:
    """Write the training and the validation split in VisDial's format; all answers are the candidates of a question."""
    for split, count in (("train", DIALOGUES), ("val", DIALOGUES // 10)):
        rows = []
        for number, picture in enumerate(pictures(split, count)):
            write_picture(folder, split, number, picture)
            turns = [_turn(picture, question) for question in questions_for(number, TURNS)]
            rows.append({"image_id": number, "caption": "", "dialog": turns})
        data = {"data": {"dialogs": rows, "questions": [*ASPECTS], "answers": ANSWERS}}
        (folder / f"visdial_1.0_{split}.json").write_text(json.dumps(data))


def _turn(picture: Picture, question: str) -> dict[str, object]:
    """Return a question and its answer as VisDial has them: numbers in the lists of questions and of answers."""
    right = ANSWERS.index(answer_to(picture, question))
    options = list(range(len(ANSWERS)))
    return {"question": [*ASPECTS].index(question), "answer": right, "answer_options": options, "gt_index": right}


def loom(*arguments: str) -> None:
    """Run a command of loom; SystemExit if it fails."""
    if code := run(list(arguments)):
        raise SystemExit(code)


def fine_tune(config: BenchmarkConfig, folder: Path) -> str:
    """Return the run of a Flamingo that is fine-tuned on the dialogues."""
    visdial, dataset, adapted = folder / "visdial", folder / "dataset", folder / "run"
    if not (visdial / "visdial_1.0_val.json").exists():
        write_visdial(visdial)
    if not (dataset / "manifest.json").exists():
        loom("benchmark-data", "visdial", "--data", str(visdial), "--out", str(dataset))
    small = ("data.size=64", "data.pair_tokens=96", "train.precision=fp32", "train.workers=1")
    begun = f"model.init={config.demo}/runs/flamingo"
    loom(
        *("train", "flamingo", "--config", "flamingo-adapt", "--data", str(dataset), "--out", str(adapted)),
        *("--set", begun, *small, *config.set),
    )
    return str(adapted)


def ask(session: Session, picture: Picture, path: Path, questions: Sequence[str]) -> tuple[list[str], int]:
    """Show a picture and ask questions; return the lines of the dialogue, and how many replies are right."""
    session.add_image(str(path))
    lines = [f"*{picture.size} {picture.colour} {picture.shape}, {picture.pattern} {picture.background} paper*"]
    right = 0
    for question in questions:
        reply, wanted = session.ask(question).text, answer_to(picture, question)
        right += reply == wanted
        lines.append(f"{question}? **{reply or '(nothing)'}**" + ("" if reply == wanted else f" (wrong: {wanted})"))
    return lines, right


def main(config: BenchmarkConfig) -> None:
    """Print the dialogues, and the share of right replies."""
    folder = Path(config.demo) / config.out
    responder = open_responder(fine_tune(config, folder), DialogueForm(), DecodingConfig(limit=8, beams=3))
    shown = pictures("shown", 2 * SHOWN)
    paths = [write_picture(folder, "shown", number, picture) for number, picture in enumerate(shown)]
    total = 0
    for number in range(SHOWN):
        session = Session(responder)
        print(f"\nDialogue {number + 1}")
        for place in (2 * number, 2 * number + 1):
            lines, right = ask(session, shown[place], paths[place], questions_for(FIRST_SEED + place, 3))
            total += right
            print("\n".join(f"- {line}" for line in lines))
    print(f"\n{total} of {6 * SHOWN} replies are right")


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig, description=__doc__))
