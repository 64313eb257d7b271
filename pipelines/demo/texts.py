"""Generates texts in the vocabulary of the bundled website, to pre-train a language model.

`python -m corpusloom.pipelines.demo.texts > texts.jsonl`
"""

import json
from collections.abc import Iterator

import numpy as np

from corpusloom.pipelines.demo import drawing, grammar

PAGES = 4_000
FIRST_SEED = 20_000_000
"""First seed, far from those of the website's pictures, so that no text describes a picture that Flamingo trains on."""

REMARKED = (2, 3)
"""Remainders by 8 of the numbers of pages whose pictures have a remark for a caption, as on two of the eight hosts."""


def texts(pages: int = PAGES) -> Iterator[str]:
    """Yield pages of text: a story, then captions or remarks of pictures of all classes, also the held-out ones.

    Every second page has <image> tags; after each page comes one caption alone. So the language model learns the form
    of the texts here, and Flamingo's training need only teach it the images.
    """
    labels = drawing.combinations()
    for page in range(pages):
        seed = FIRST_SEED + 10 * page
        chosen = np.random.default_rng(seed).choice(labels, 5)  # random, so that no class predicts the next
        pictures = [drawing.make_picture(str(label), seed + number) for number, label in enumerate(chosen)]
        style, parts = grammar.house_style(page), [grammar.story(seed, 2)]
        for picture in pictures:
            shown = grammar.remark(picture) if page % 8 in REMARKED else grammar.caption(picture, style)
            parts.append(f"<image>{shown}" if page % 2 else shown)
        yield "\n\n".join(parts)
        yield f"<image>{grammar.caption(pictures[0], style)}"


if __name__ == "__main__":
    for text in texts():
        print(json.dumps(text))
