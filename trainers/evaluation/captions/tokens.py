"""Words of captions for CIDEr, close to those of the Penn Treebank tokenizer that the COCO evaluation calls."""

import re

NOT_OFFICIAL = (
    "words by our own tokenizer, not by Stanford's PTBTokenizer, which needs the extra eval and Java: not official"
)
_CLITIC = re.compile(r"(?<=\w)(n't|'(?:s|m|d|ll|re|ve))\b")
_WORD = re.compile(r"n't\b|'(?:s|m|d|ll|re|ve)\b|\d+(?:[.,:]\d+)+|\w+(?:[-.']\w+)*")


def words_of(caption: str) -> list[str]:
    """Return a caption's words in small letters, without punctuation; "dog's" is two words, as is "don't" (do n't)."""
    return _WORD.findall(_CLITIC.sub(r" \1", caption.lower().replace("’", "'")))
