"""The text of the bundled world, for pre-training a language model: `python -m corpusloom.pipelines.demo.texts > texts.jsonl`."""

import json
from collections.abc import Iterator

import numpy as np

from corpusloom.pipelines.demo import drawing, grammar

PAGES = 4_000
FIRST_SEED = 20_000_000
"""Far from the seeds of the world's own pictures: the model never reads a page that Flamingo trains on."""


def texts(pages: int = PAGES) -> Iterator[str]:
    """Yield pages of text: a story, then paragraphs and captions of pictures of every class, unseen ones included.

    Half of the pages carry <image> tags, and captions stand alone as well: the frozen model then knows the form, and
    what is left to learn from a picture is what it shows.
    """
    labels = [f"{colour} {shape}" for shape in drawing.SHAPES for colour in drawing.COLOURS]
    for page in range(pages):
        seed = FIRST_SEED + 10 * page
        chosen = np.random.default_rng(seed).choice(labels, 5)  # at random: the next class cannot be guessed
        pictures = [drawing.make_picture(str(label), seed + number) for number, label in enumerate(chosen)]
        parts = [grammar.story(seed, 2)]
        for number, picture in enumerate(pictures):
            shown = grammar.caption(picture) if number % 2 else grammar.describe(picture)
            parts.append(f"<image>{shown}" if page % 2 else shown)
        yield "\n\n".join(parts)
        yield f"<image>{grammar.caption(pictures[0])}"


if __name__ == "__main__":
    for text in texts():
        print(json.dumps(text))
