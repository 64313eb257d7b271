"""Texts in the words of the bundled website, to pre-train a language model on.

`python -m corpusloom.pipelines.demo.texts > texts.jsonl`
"""

import json
from collections.abc import Iterator

import numpy as np

from corpusloom.pipelines.demo import drawing, grammar

PAGES = 4_000
FIRST_SEED = 20_000_000
"""First seed, far from those of the website's pictures: no text is about a picture that Flamingo is trained on."""


def texts(pages: int = PAGES) -> Iterator[str]:
    """Yield pages of text: a story, then paragraphs and captions of pictures of every class, unseen ones included.

    Half of the pages have <image> tags, and captions occur alone as well. The frozen model then knows the form of the
    text, and training on pictures teaches it only what they show.
    """
    labels = [f"{colour} {shape}" for shape in drawing.SHAPES for colour in drawing.COLOURS]
    for page in range(pages):
        seed = FIRST_SEED + 10 * page
        chosen = np.random.default_rng(seed).choice(labels, 5)  # random, so that no class predicts the next
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
