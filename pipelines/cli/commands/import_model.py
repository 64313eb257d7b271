"""`loom import-model`: converts weights of torch.save into safetensors, once."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from corpusloom.pipelines.cli.flags import print_json
from corpusloom.pipelines.engine import extras
from corpusloom.pipelines.engine.printing import show


@dataclass(frozen=True, kw_only=True)
class Command:
    """Convert pickled weights (.bin, .pt, .pth) into a folder of safetensors, which model.init and loom eval read.

    Only tensors are read: a file that holds anything else is refused, and nothing in it runs. The small files beside
    the weights (configuration, tokenizer) are copied.

    Examples:
      loom import-model opt-125m --out opt-125m-safe
      loom import-model pytorch_model_9.bin --model-config bert_base_6layer_6conect.json --out vilbert
    """

    weights: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PATH")]
    """File of weights, or a folder of one model, whole or in shards with an index."""
    out: Annotated[str, tyro.conf.arg(metavar="FOLDER")]
    """Folder to write: a new one."""
    model_config: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """Configuration of the model (JSON), if it is not beside the weights as config.json."""
    json: bool = False
    """Print the result as JSON."""

    def run(self) -> int:
        """Convert the weights."""
        extras.require("train", extras.TRAIN, "loom import-model")
        from corpusloom.trainers.training.hub.pickles import import_model

        done = import_model(self.weights, self.out, self.model_config)
        if self.json:
            print_json(done)
            return 0
        show(f"{self.out}: {done.tensors:,} tensors, {done.parameters:,} parameters, in the layout {done.layout}")
        if done.left_out:
            show(f"  left out, no tensors: {', '.join(done.left_out)}")
        return 0
