"""Words of captions by Stanford's PTBTokenizer, as in the COCO evaluation, if it is there; else by our own rules.

It needs the extra `eval` (pycocoevalcap) and Java.
"""

import importlib
import shutil
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.evaluation.captions.tokens import words_of

PACKAGE = "pycocoevalcap"


def is_official() -> bool:
    """Return whether the words are those of the COCO evaluation."""
    return find_spec(PACKAGE) is not None and shutil.which("java") is not None


def words_of_captions(captions: Sequence[Sequence[str]]) -> list[list[list[str]]]:
    """Return the words of each caption of each image."""
    if not is_official():
        return [[words_of(caption) for caption in own] for own in captions]
    distinct = tuple(sorted({caption for own in captions for caption in own}))
    words = dict(zip(distinct, _treebank_words(distinct), strict=True))
    return [[words[caption] for caption in own] for own in captions]


@lru_cache(2)
def _treebank_words(captions: tuple[str, ...]) -> list[list[str]]:
    """Return the words of each caption; InputError if the tokenizer cannot run.

    The tokenizer reads one caption per line, so line breaks within a caption, of several kinds in Java, become blanks.
    The captions of the last two calls are held: each call starts Java, and references and texts come again.
    """
    tokenizer = importlib.import_module(f"{PACKAGE}.tokenizer.ptbtokenizer").PTBTokenizer()
    lines = {number: [{"caption": " ".join(text.split())}] for number, text in enumerate(captions)}
    try:
        found = tokenizer.tokenize(lines)
    except OSError as error:
        what = f"PTBTokenizer cannot run: {error}"
        raise InputError(what, where=PACKAGE, remedy="make its folder writable, or uninstall it") from error
    if found.keys() != lines.keys():
        what = f"PTBTokenizer gave {len(found):,} of {len(lines):,} captions"
        raise InputError(what, where=PACKAGE, remedy="check that java runs, or uninstall the package")
    return [found[number][0].split() for number in lines]
