"""`loom tokenizer`: learns a vocabulary from the captions of datasets."""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from corpusloom.pipelines.cli.flags import check_least, print_json
from corpusloom.pipelines.engine import extras
from corpusloom.pipelines.engine.printing import show

VocabularyKind = Literal["bpe", "wordpiece"]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Learn a vocabulary from the captions of datasets, once, for all runs that use it.

    Equal captions give equal bytes, in any order. A run without a vocabulary learns one itself, which suits small runs.

    Examples:
      loom tokenizer data/align --kind bpe --vocab-size 16384 --out bpe.txt
      loom train clip --config clip-vit-b-32 --set data.tokenizer=bpe.txt model.text.vocab_size=16384 ...
      loom tokenizer data/regions --kind wordpiece --vocab-size 8192 --out vocab.txt
      loom train vilbert --config vilbert-base --set data.vocabulary=vocab.txt model.vocab_size=8192 ...
    """

    datasets: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]
    """Datasets of pairs, clips or regions."""
    kind: VocabularyKind
    """bpe: CLIP's byte-level pairs. wordpiece: ViLBERT's (BERT's) pieces of words."""
    vocab_size: Annotated[int, tyro.conf.arg(metavar="N")]
    """Token ids, at most, the special ones included."""
    out: Annotated[str, tyro.conf.arg(metavar="FILE")]
    """File to write: a list of merges (bpe) or of pieces (wordpiece); a tokenizer.json if its name ends in .json."""
    limit: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Captions per dataset, at most."""
    json: bool = False
    """Print the result as JSON."""

    def run(self) -> int:
        """Learn the vocabulary."""
        check_least("--limit", self.limit, 1)
        extras.require("train", extras.TRAIN, "loom tokenizer")
        from corpusloom.trainers.jobs.vocabulary import learn_vocabulary

        learnt = learn_vocabulary(self.kind, self.datasets, self.vocab_size, self.out, self.limit)
        if self.json:
            print_json(learnt)
            return 0
        show(f"{self.out}: {learnt.ids:,} token ids learnt from {learnt.captions:,} captions")
        return 0
