"""`loom export-model`: writes the model of a run into a folder that other programs read."""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from corpusloom.pipelines.cli.flags import print_json
from corpusloom.pipelines.engine import extras
from corpusloom.pipelines.engine.printing import show

LayoutName = Literal["hf", "open_clip"]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Write the model of a run into a folder in the layout of transformers or open_clip: configuration, safetensors,
    tokenizer.

    A CLIP goes into either layout, a ViLBERT into that of the published code (hf), a language model into hf. A run that
    began from such a folder (model.init) keeps its files, number formats and order of tensors. If the run kept moving
    averages (train.ema), they are written. --interpolate writes weights between the initial and the fine-tuned ones.

    Examples:
      loom export-model runs/clip --to hf --out exported/clip
      loom export-model runs/clip/checkpoints/step-00000250 --to open_clip --out exported/clip-250
      loom export-model clip-vit-base-patch32 --to open_clip --out exported/b32
      loom export-model runs/tuned --to hf --out exported/half --interpolate clip-vit-base-patch32:0.5
    """

    run_folder: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of a run (its newest checkpoint), a checkpoint, or a folder in either layout, to convert it."""
    to: LayoutName
    """Layout: hf (transformers) or open_clip."""
    out: Annotated[str, tyro.conf.arg(metavar="FOLDER")]
    """Folder to write: a new one."""
    interpolate: Annotated[str | None, tyro.conf.arg(metavar="INITIAL:ALPHA")] = None
    """Write (1 - ALPHA) * initial + ALPHA * fine-tuned weights (WiSE-FT); INITIAL is a run or folder, ALPHA 0 to 1."""
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE")] = ()
    """New paths of frozen parts that moved: model.image.init=PATH ..."""
    json: bool = False
    """Print the result as JSON."""

    def run(self) -> int:
        """Export the model."""
        extras.require("train", extras.TRAIN, "loom export-model")
        from corpusloom.trainers.jobs.export import export_model
        from corpusloom.trainers.jobs.interpolate import parse_interpolation

        mixed = None if self.interpolate is None else parse_interpolation(self.interpolate)
        done = export_model(self.run_folder, self.to, self.out, interpolation=mixed, assignments=self.set)
        if self.json:
            print_json(done)
            return 0
        origin = f"step {done.step:,}" if done.step is not None else self.run_folder
        show(f"{self.out}: {done.family} of {origin}, {done.parameters:,} parameters, as {self.to}")
        show(f"  {', '.join(done.files)}")
        return 0
