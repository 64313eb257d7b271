"""Plan of the benchmark: its size, its runs, and each run's differences from the base run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.claims_common.runs import Run
from benchmarks.claims_flamingo.datasets import interleaved, pairs, write_dataset
from benchmarks.claims_flamingo.measure import COMPARED, CONTROLS, TRIALS
from benchmarks.claims_flamingo.world import FIRST_EXAM, FIRST_TRAINING, make_pages
from corpusloom.trainers.flamingo.config import BUNDLED, FrozenLanguageConfig
from corpusloom.trainers.flamingo.language_model import folder_of
from corpusloom.trainers.flamingo.prompts.same_page import Trial

CONFIGS = Path(__file__).parents[2] / "trainers" / "configs"
FLAMINGO, CLIP = CONFIGS / "flamingo" / "flamingo-tiny.toml", CONFIGS / "clip" / "clip-tiny.toml"
PAGES_PER_STEP, PAIRS_PER_PAGE = 4, 4
"""Windows of pages in a step, and pairs in it per page: half of flamingo-tiny's, so that all runs fit in the time."""


@dataclass(frozen=True, slots=True)
class Size:
    """Size of the world and of the runs."""

    pages: int
    """Pages that models are trained on."""
    exam_pages: int
    """Pages that models are tested on."""
    clip_steps: int
    steps: int
    """Steps of the base run."""


FULL, QUICK = Size(160, 24, 500, 600), Size(8, 3, 4, 4)


@dataclass(frozen=True, slots=True)
class Variant:
    """A Flamingo's differences from the base run."""

    name: str
    settings: tuple[str, ...] = ()
    pages: bool = True
    """Whether it is trained on pages beside pairs."""
    times: int = 1
    """Steps, in those of the base run."""

    @property
    def trials(self) -> Mapping[str, Trial]:
        """Return the trials in which the variant is measured."""
        return TRIALS | CONTROLS if self == BASE else COMPARED


BASE = Variant("base")
ROUND_ROBIN = Variant("round robin", ("data.mixing=round_robin",), times=2)
"""A step has one dataset, so equal samples are twice as many steps."""
PAIRS_ONLY = Variant("pairs only", pages=False)
UNGATED = Variant("no gates", ("model.gate=none",))
MEAN_POOL = Variant("mean pooling", ("model.pool=mean",))


@dataclass(frozen=True, slots=True)
class Datasets:
    """Paths of the datasets: pages and pairs of the same pictures to train on, and pairs to test on."""

    pages: str
    pairs: str
    exam: str


def write_datasets(size: Size, folder: Path) -> Datasets:
    """Write the datasets that are missing."""
    training, exam = folder / f"{size.pages}-pages", folder / f"{size.exam_pages}-exam-pages"
    return Datasets(
        write_dataset(interleaved(make_pages(FIRST_TRAINING, size.pages)), training / "interleaved", "interleaved"),
        write_dataset(pairs(make_pages(FIRST_TRAINING, size.pages)), training / "pairs", "pairs"),
        write_dataset(pairs(make_pages(FIRST_EXAM, size.exam_pages)), exam / "pairs", "pairs"),
    )


def clip_run(size: Size, data: Datasets) -> Run:
    """Return the run of the CLIP whose image tower all variants share, frozen."""
    return Run("clip", str(CLIP), (data.pairs,), _schedule(size.clip_steps), 0)


def run_of(variant: Variant, size: Size, data: Datasets, clip: Path, seed: int) -> Run:
    """Return the training run of a variant on a trained CLIP."""
    values, own = (f"pairs={data.pairs}:{PAIRS_PER_PAGE}",), (f"model.vision.checkpoint='{clip}'", *variant.settings)
    if variant.pages:
        values, own = (f"pages={data.pages}", *values), (*own, "data.lambdas.pages=0.2")
    frozen = f"{folder_of(FrozenLanguageConfig(weights=BUNDLED))}/model.safetensors"
    settings = (*_schedule(variant.times * size.steps), f"train.batch_size={PAGES_PER_STEP}", *own)
    return Run(variant.name, str(FLAMINGO), values, settings, seed, (frozen,))


def _schedule(steps: int) -> tuple[str, ...]:
    return (f"train.steps={steps}", "train.warmup=0.07", "train.checkpoint_every=100", "train.log_every=50")
