"""`loom eval`: evaluates a checkpoint."""

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import tyro

from corpusloom.pipelines.cli.flags import OutputFlags, check_least, check_output, print_json
from corpusloom.pipelines.cli.text_tables import figures_table, predictions_table, table_console
from corpusloom.pipelines.engine import extras
from corpusloom.pipelines.engine.printing import show
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.schemas.errors import ConfigError

if TYPE_CHECKING:
    from corpusloom.trainers.jobs.evaluate import EvaluationResult

EvaluationKind = Literal["zero-shot", "retrieval", "linear-probe", "few-shot", "likelihood", "vqa", "vcr", "refcoco"]
PICTURE_KINDS = ("zero-shot", "linear-probe")
"""Evaluations that classify pictures."""
TASK_KINDS = ("vqa", "vcr", "refcoco")
"""Evaluations of a ViLBERT that was trained for a task."""
KINDS_OF = {
    "images": (*PICTURE_KINDS, "retrieval"),
    "classes": (*PICTURE_KINDS, "few-shot", "retrieval"),
    "templates": ("zero-shot",),
    "split": ("zero-shot", "retrieval", "few-shot", *TASK_KINDS),
    "annotations": ("retrieval", *TASK_KINDS),
    "ground_truth": ("vcr",),
    "benchmark": ("few-shot",),
    "html": (*PICTURE_KINDS, "retrieval"),
    "pool": ("few-shot",),
}
"""Flag -> evaluations that have it."""
SKIPPED_SHOWN = 10
PREDICTIONS_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Command:
    """Evaluate a checkpoint; each figure is printed with its value by chance and a 95 % interval.

    Examples:
      loom eval zero-shot --checkpoint runs/clip --images holiday --classes names.txt
      loom eval zero-shot --checkpoint runs/clip --data evaluation/imagenet --templates prompts.txt
      loom eval linear-probe --checkpoint runs/clip --images animals
      loom eval retrieval --checkpoint runs/clip --data dataset_flickr30k.json --images flickr30k-images
      loom eval retrieval --checkpoint runs/vilbert --data data/regions-val --html retrieval.html
      loom eval retrieval --checkpoint runs/vilbert --data data/regions --annotations dataset_flickr30k.json
      loom eval few-shot --checkpoint runs/flamingo --data data/pairs-val --shots 0 4 8 --seeds 3 --out captions.json
      loom eval few-shot --checkpoint runs/flamingo --data pets-val --pool pets --rices --classes pets.txt --ensemble 6
      loom eval few-shot --checkpoint runs/flamingo --benchmark okvqa --data okvqa --shots 0 4 8 16 32 --out okvqa.json
      loom eval likelihood --checkpoint runs/lm --data texts.jsonl
      loom eval vqa --checkpoint runs/vqa --data data/regions --annotations questions.json --out vqa.json
      loom eval vcr --checkpoint runs/vcr --data data/regions --annotations test.jsonl --out vcr.json
      loom eval refcoco --checkpoint runs/refcoco --data data/regions --annotations 'refs(unc).p' instances.json
      loom eval zero-shot --checkpoint runs/tuned --interpolate clip-vit-base-patch32:0.5 --data evaluation/imagenet
    """

    MAIN: ClassVar[str] = "checkpoint data images classes templates html out"
    kind: Annotated[EvaluationKind, tyro.conf.Positional]
    """zero-shot: classification by a CLIP. retrieval: images by caption. linear-probe: a linear classifier of a CLIP's
    features. few-shot: captions or classes by a Flamingo. likelihood: texts by a language model. vqa, vcr, refcoco:
    answers and regions by a ViLBERT that was trained for the task."""
    checkpoint: Annotated[str, tyro.conf.arg(metavar="PATH")]
    """Checkpoint, folder of a run (its newest checkpoint), or a CLIP's folder in the layout of transformers or
    open_clip."""
    data: Annotated[str | None, tyro.conf.arg(metavar="PATH")] = None
    """zero-shot, linear-probe: a folder in CLIP_benchmark's layout (docs/formats.md). retrieval: such a folder, a
    dataset of pairs or regions, or captions in Karpathy's layout. few-shot: a dataset of pairs. likelihood: a file
    with one JSON string per line. vqa, vcr, refcoco: the dataset of the regions of the images."""
    images: Annotated[str | None, tyro.conf.arg(metavar="FOLDER")] = None
    """zero-shot, linear-probe: a folder of pictures, instead of --data; its folders are the classes, if --classes names
    no others. retrieval: the folder of the images that Karpathy's captions name."""
    classes: Annotated[str | None, tyro.conf.arg(metavar="FILE|DATASET")] = None
    """With --images: class names, one per line, with synonyms between commas; or JSON; or a dataset, whose most
    frequent short captions are the classes. few-shot: the captions are names of classes, and the likeliest class is
    chosen. retrieval with --html: names of the detector's classes, one per line in their order."""
    templates: Annotated[str | None, tyro.conf.arg(metavar="none|photo|FILE")] = None
    """zero-shot: templates of texts about a class, one per line, {c} for the class. photo: a bundled ensemble, the
    default with --images. none: the class name alone. A benchmark has its own."""
    split: str | None = None
    """Split of a benchmark or of Karpathy's captions, by default test; of a dataset or of a task, by default all."""
    annotations: Annotated[tuple[str, ...] | None, tyro.conf.arg(metavar="FILE")] = None
    """vqa: files of questions, and of annotations if they are published. vcr: val.jsonl or test.jsonl. refcoco:
    refs(...).p and instances.json. retrieval by a ViLBERT: captions in Karpathy's layout, or lines of img_path and
    sentences."""
    ground_truth: Annotated[str | None, tyro.conf.arg(metavar="DATASET")] = None
    """vcr: the dataset of the regions of ground-truth boxes; if not given, data.ground_truth of the training."""
    html: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """zero-shot, linear-probe: write a page with the pictures and their best classes. With --images, KIND.html or the
    name of --out with .html is the default. retrieval by a ViLBERT: a page with regions, masked words and regions,
    attention, right and wrong retrievals."""
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE")] = ()
    """New paths of frozen parts that moved: model.vision.checkpoint=PATH ..."""
    interpolate: Annotated[str | None, tyro.conf.arg(metavar="INITIAL:ALPHA")] = None
    """Evaluate (1 - ALPHA) * initial + ALPHA * fine-tuned weights (WiSE-FT); INITIAL is a run or folder, ALPHA 0 to
    1."""
    limit: int | None = None
    """Samples, at most."""
    shots: Annotated[tuple[int, ...], tyro.conf.arg(metavar="N")] = (4,)
    """few-shot: numbers of examples before each image, such as 0 4 8. 0: the texts of two examples stand before it."""
    text_shots: Annotated[int, tyro.conf.arg(metavar="N")] = 2
    """few-shot with --shots 0: examples of which the texts alone stand before an image; 0 for a run that was
    fine-tuned on the benchmark, whose samples have none."""
    benchmark: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """few-shot: a benchmark such as coco or vqav2, whose files are in the folder --data (docs/formats.md); its outputs
    are written beside --out."""
    pool: Annotated[str | None, tyro.conf.arg(metavar="DATASET")] = None
    """few-shot: the dataset of the examples; if not given, the other samples of --data."""
    rices: bool = False
    """few-shot: take the examples with the most similar images, the best last, instead of random ones."""
    seeds: int = 1
    """few-shot: number of random choices of the examples; figures are means over them."""
    ensemble: int = 1
    """few-shot with --classes: orders of the examples over which a class's log likelihood is averaged."""
    beams: int = 3
    """few-shot: beams of the search for a caption."""
    prompt: str = "Output:"
    """few-shot: text between an image and its caption; '' for pairs as in training."""
    device: str | None = None
    """cpu, cuda ...; if not given, the fastest available."""
    dtype: Literal["fp32", "bf16"] = "fp32"
    """Precision of the forward passes; bf16: autocast."""
    batch_size: int = 64
    """Samples per rank that are computed together."""
    workers: int = 2
    """Threads per rank that read and decode."""
    out: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """Write the figures, and predictions if there are any, as JSON. An evaluation that was killed resumes from the
    batches in FILE.partial."""
    output: OutputFlags = field(default_factory=OutputFlags)

    def run(self) -> int:
        """Evaluate."""
        for flag, value, least in (
            ("--limit", self.limit, 1),
            *(("--shots", shots, 0) for shots in self.shots),
            ("--text-shots", self.text_shots, 0),
            ("--seeds", self.seeds, 1),
            ("--ensemble", self.ensemble, 1),
            ("--beams", self.beams, 1),
            ("--batch-size", self.batch_size, 1),
            ("--workers", self.workers, 1),
        ):
            check_least(flag, value, least)
        data, html = self._data(), self._html()
        for flag, path in (("--out", self.out), ("--html", html)):
            if path is not None:
                check_output(flag, path)
        if html and self.out and os.path.abspath(html) == os.path.abspath(self.out):
            raise ConfigError(
                f"--out and --html are both {html}", remedy="give two files: the page would replace the figures"
            )
        extras.require("train", extras.TRAIN, "loom eval")
        from corpusloom.trainers.evaluation.batches import EvaluationSettings
        from corpusloom.trainers.jobs.evaluate import evaluate
        from corpusloom.trainers.jobs.interpolate import parse_interpolation
        from corpusloom.trainers.training import distributed

        self._check_benchmark(data)
        mixed = None if self.interpolate is None else parse_interpolation(self.interpolate)
        first = distributed.prints()
        reporter = self.output.reporter() if first else Reporter(quiet=True)
        settings = EvaluationSettings(
            limit=self.limit,
            batch_size=self.batch_size,
            workers=self.workers,
            precision=self.dtype,
            shots=self.shots,
            text_shots=self.text_shots,
            seeds=self.seeds,
            benchmark=self.benchmark,
            pool=self.pool,
            rices=self.rices,
            beams=self.beams,
            ensemble=self.ensemble,
            prompt=self.prompt,
            images=self.images,
            classes=self.classes,
            templates=self.templates,
            split=self.split,
            annotations=self.annotations or (),
            ground_truth=self.ground_truth,
            note=reporter.note,
        )
        with reporter.stage(self.kind):
            result = evaluate(
                self.kind,
                self.checkpoint,
                data,
                settings,
                assignments=self.set,
                interpolation=mixed,
                device=self.device,
                out=self.out,
                html=html,
            )
        if first:
            self._show(result, html, reporter)
        return 0

    def _data(self) -> str:
        """Return the path of what is evaluated; ConfigError if the flags do not fit together."""
        for flag, kinds in KINDS_OF.items():
            if getattr(self, flag) is not None and self.kind not in kinds:
                name = f"--{flag.replace('_', '-')}"
                what = f"{name} belongs to {', '.join(kinds)}, not to {self.kind}"
                raise ConfigError(what, remedy=f"leave {name} out")
        self._check_few_shot()
        pictures = self.kind in PICTURE_KINDS
        if pictures and self.classes is not None and self.images is None:
            raise ConfigError("--classes without --images", remedy="a benchmark has its own: leave --classes out")
        if self.kind == "retrieval" and self.classes is not None and self.html is None:
            raise ConfigError("--classes without --html", remedy="retrieval names them on its page: give --html")
        if pictures and self.data is not None and self.images is not None:
            raise ConfigError("--data and --images are both given", remedy="give one of them")
        found = self.data or (self.images if pictures else None)
        if not found:
            needed = "--data PATH or --images FOLDER" if pictures else "--data PATH"
            raise ConfigError(f"{needed} is missing", remedy="see loom eval --help")
        return found

    def _check_few_shot(self) -> None:
        """Raise ConfigError for flags of few-shot evaluations that do not fit together."""
        if not self.shots or len(set(self.shots)) < len(self.shots):
            raise ConfigError("--shots names no number, or one twice", remedy="such as --shots 0 4 8")
        if self.rices and self.seeds > 1:
            raise ConfigError("--rices with several --seeds: nothing is random", remedy="leave --seeds out")
        if self.ensemble > 1 and self.classes is None and self.benchmark is None:
            raise ConfigError("--ensemble without --classes", remedy="it is for classes: give --classes FILE")
        if self.kind == "few-shot" and self.split is not None and self.benchmark is None:
            raise ConfigError("--split without --benchmark", remedy="leave --split out")
        if self.benchmark is not None and (self.pool is not None or self.classes is not None):
            raise ConfigError("--pool or --classes with --benchmark, which has its own", remedy="leave them out")

    def _check_benchmark(self, data: str) -> None:
        """Raise an error for an unknown benchmark or a folder without its records, before a model is read."""
        if self.benchmark is not None:
            from corpusloom.trainers.flamingo.benchmarks.benchmark import find
            from corpusloom.trainers.flamingo.benchmarks.formats.readers import find_records

            benchmark = find(self.benchmark)
            find_records(benchmark, data, self.split or benchmark.query)
            if any(self.shots) and benchmark.support is not None:
                find_records(benchmark, data, benchmark.support)

    def _html(self) -> str | None:
        """Return the path of the page, by default beside --out, for pictures of the user's own."""
        if self.html is not None or self.images is None or self.kind not in PICTURE_KINDS:
            return self.html
        return f"{self.kind}.html" if self.out is None else self.out.removesuffix(".json") + ".html"

    def _show(self, result: "EvaluationResult", html: str | None, reporter: Reporter) -> None:
        """Print the figures, the samples that are left out, and the first predictions for unlabelled pictures."""
        for note in result.notes:
            reporter.note(f"  note: {note}")
        if result.reused:
            reporter.note(f"  {result.reused:,} batches were finished before")
        if result.skipped:
            listed = ", ".join(result.skipped[:SKIPPED_SHOWN]) + (" ..." if len(result.skipped) > SKIPPED_SHOWN else "")
            reporter.warn(f"  {len(result.skipped):,} samples could not be read: {listed}")
        if self.output.json:
            found = {"figures": result.figures, "predictions": [item.to_plain() for item in result.predictions]}
            print_json(found if self.images is not None and result.predictions else result.figures)
            return
        if not result.predictions or any(name.endswith("_n") for name in result.figures):
            table_console().print(figures_table(result.figures))
        else:
            table_console().print(predictions_table(result.predictions[:PREDICTIONS_SHOWN]))
            left = len(result.predictions) - PREDICTIONS_SHOWN
            if left > 0:
                show(f"... and {left:,} more")
        if html is not None:
            show(f"page: {html}")
        for path in result.files:
            show(f"outputs: {path}")
