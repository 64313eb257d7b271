"""A tagger without a model: words in capitals are persons, known small words have their tags, the rest are nouns."""

from collections.abc import Sequence

TAGS = {"a": "DT", "the": "DT", "in": "IN", "on": "IN", "of": "IN", "and": "CC", "runs": "VBZ", "old": "JJ"}


class Capitals:
    """A Tagger by a rule."""

    identity = "capitals 1"

    def __call__(self, words: Sequence[str]) -> list[tuple[str, str]]:
        """Return tag and entity of each word."""
        return [("NNP", "PERSON") if word.isupper() and len(word) > 1 else (_tag(word), "") for word in words]


def _tag(word: str) -> str:
    if not word.isalnum():
        return "."
    return "CD" if word.isdigit() else TAGS.get(word.lower(), "NN")
