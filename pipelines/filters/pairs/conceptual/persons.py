"""Names of persons in captions, replaced by one text (Conceptual 12M, arXiv 2102.08981, section 2.2)."""

from corpusloom.pipelines.filters.pairs.conceptual.tagged_text import PERSON, TaggedText

VERSION = 1


def mask_persons(tagged: TaggedText, mask: str) -> str:
    """Return the text with each name of a person replaced by `mask`: "Tom Hanks's car" is "<PERSON>'s car"."""
    text, end = "", 0
    for run in tagged.entities():
        if run[0].entity == PERSON:
            text += tagged.text[end : run[0].start] + mask
            end = run[-1].end
    return text + tagged.text[end:]
