"""Configurations with published values: those of the recipes that ship, and FineWeb's, which none of them uses."""

from corpusloom.pipelines.filters.fineweb import FineWebConfig
from corpusloom.pipelines.recipes.recipe import load_recipe

M3W = load_recipe("m3w").filters
OBELICS = load_recipe("obelics").filters
MMC4 = load_recipe("mmc4").filters
ALIGN = load_recipe("align").filters
FINEWEB = FineWebConfig(
    min_line_punctuation=0.12, max_short_lines=0.67, max_duplicate_characters=0.01, max_new_lines_per_word=0.3
)
assert M3W.quality is not None and M3W.repetition is not None and M3W.language is not None  # noqa: PT018
assert M3W.explicit is not None and M3W.boilerplate is not None  # noqa: PT018
assert OBELICS.obelics is not None and MMC4.c4 is not None and ALIGN.captions is not None  # noqa: PT018
QUALITY, REPETITION, LANGUAGE = M3W.quality, M3W.repetition, M3W.language
EXPLICIT, BOILERPLATE = M3W.explicit, M3W.boilerplate
OBELICS_TEXT, C4, CAPTIONS = OBELICS.obelics, MMC4.c4, ALIGN.captions
