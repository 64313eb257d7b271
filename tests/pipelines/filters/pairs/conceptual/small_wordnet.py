"""A WordNet of a few nouns and names, in the format of wndb(5WN)."""

from pathlib import Path

NOUNS = ("city", "actor", "physicist", "company", "paris", "stock", "march", "sea_god")
INSTANCES = {
    "paris": ("paris", "city"),
    "tom_hanks": ("Tom_Hanks", "actor"),
    "albert_einstein": ("Einstein", "physicist"),
    "london": ("London", "city"),
    "neptune": ("Neptune", "sea_god"),
}
"""Lemma of a name -> first word of its synset, and the noun of which it is an instance. Paris is a plain noun too."""


def write_wordnet(folder: Path) -> Path:
    """Write index.noun and data.noun into a folder, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    data = "  1 A licence stands here.  \n"
    offsets: dict[str, list[int]] = {}
    first: dict[str, int] = {}
    for noun in NOUNS:
        first[noun] = len(data)
        offsets.setdefault(noun, []).append(len(data))
        data += f"{len(data):08d} 03 n 02 {noun} 0 other_{noun} 0 001 @ 00001740 n 0000 | a {noun} @i gloss  \n"
    for lemma, (word, noun) in INSTANCES.items():
        offsets.setdefault(lemma, []).append(len(data))
        data += f"{len(data):08d} 15 n 01 {word} 0 002 @i {first[noun]:08d} n 0000 #p 00001740 n 0000 | a name  \n"
    lines = [
        f"{lemma} n {len(found)} 2 @ @i {len(found)} 0 {' '.join(f'{offset:08d}' for offset in found)}  \n"
        for lemma, found in sorted(offsets.items())
    ]
    (folder / "data.noun").write_text(data)
    (folder / "index.noun").write_text("  1 A licence stands here.  \n" + "".join(lines))
    return folder
