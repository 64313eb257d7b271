"""Words of captions by Stanford's PTBTokenizer, as in the COCO evaluation, if it is there; else by our own rules.

It needs the extra `eval` (pycocoevalcap) and Java.
"""

import importlib
import shutil
from collections.abc import Sequence
from importlib.util import find_spec

from corpusloom.trainers.evaluation.captions.tokens import words_of

PACKAGE = "pycocoevalcap"


def is_official() -> bool:
    """Return whether the words are those of the COCO evaluation."""
    return find_spec(PACKAGE) is not None and shutil.which("java") is not None


def words_of_captions(captions: Sequence[Sequence[str]]) -> list[list[list[str]]]:
    """Return the words of each caption of each image."""
    if not is_official():
        return [[words_of(caption) for caption in own] for own in captions]
    tokenizer = importlib.import_module(f"{PACKAGE}.tokenizer.ptbtokenizer").PTBTokenizer()
    found = tokenizer.tokenize({number: [{"caption": text} for text in own] for number, own in enumerate(captions)})
    return [[caption.split() for caption in found[number]] for number in range(len(captions))]
