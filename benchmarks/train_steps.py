"""Steps of training: each family against the public code of the same shape, on the same batch.

Both sides alternate in one process on one thread; a step is forward, backward, AdamW, and the least CPU time of all
rounds counts. Ours is a step of the training loop; theirs has the optimiser that their training code makes.
"""

import importlib.util
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from corpusloom.trainers.clip.config import CLIPConfig, ImageTowerConfig
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.objective import PairObjective
from corpusloom.trainers.clip.towers.blocks import quick_gelu
from corpusloom.trainers.clip.towers.vision_transformer import VisionTransformer
from corpusloom.trainers.flamingo.config import FlamingoConfig
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.objective import LanguageObjective
from corpusloom.trainers.lm.adapter import fresh, make_config
from corpusloom.trainers.training.config import ParallelConfig, TrainConfig
from corpusloom.trainers.training.step import prepare_run
from corpusloom.trainers.training.task import Objective, TrainingTask
from corpusloom.trainers.vilbert.config import ObjectiveConfig, ViLBERTConfig
from corpusloom.trainers.vilbert.model.pretraining import ViLBERT
from corpusloom.trainers.vilbert.objective import PretrainingObjective

Step = Callable[[], None]
CPU = torch.device("cpu")
SETTINGS = TrainConfig(steps=10**9, batch_size=1, lr=1e-5, schedule="constant", rng_seed=0)


@dataclass(frozen=True, slots=True)
class Pair:
    """A step of ours and one of theirs, over models of one shape and one batch."""

    ours: Step
    theirs: Step
    note: str


class Repeated:
    """A stream of one batch, again and again."""

    def __init__(self, batch: Any) -> None:
        self.batch = batch

    def __next__(self) -> Any:
        return self.batch

    def state_dict(self) -> dict[str, Any]:
        """Return the state of a stream without one."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to load."""

    def close(self) -> None:
        """Nothing to close."""


def one_batch(model: nn.Module, objective: Objective, batch: Any) -> TrainingTask:
    """Return the task of training on one batch."""
    return TrainingTask(
        model=model, skeleton=lambda: model, objective=objective, stream=Repeated(batch), example=lambda: batch
    )


def our_step(model: nn.Module, objective: Objective, batch: Any, config: TrainConfig = SETTINGS) -> Step:
    """Return a step of the training loop over one batch."""
    run, steps = prepare_run(one_batch(model, objective, batch), config, ParallelConfig(), CPU), iter(range(10**9))
    return lambda: run.update(next(steps))


def their_step(model: nn.Module, loss: Callable[[], Tensor]) -> Step:
    """Return a step with the optimiser of torch's defaults, as in open_flamingo's and most training code."""
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=SETTINGS.lr)
    model.train()

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss().backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of one side's steps, a value per round."""

    cpu: list[float]
    wall: list[float]


def alternate(pair: Pair, rounds: int) -> tuple[Times, Times]:
    """Return the times of our steps and of theirs over alternating rounds, after one that is not counted."""
    sides = Times([], []), Times([], [])
    for number in range(rounds + 1):
        for times, step in zip(sides, (pair.ours, pair.theirs), strict=True):
            cpu, wall = time.process_time(), time.perf_counter()
            step()
            if number:
                times.cpu.append(time.process_time() - cpu)
                times.wall.append(time.perf_counter() - wall)
    return sides


def cpu_seconds(pair: Pair, rounds: int) -> tuple[float, float]:
    """Return the least CPU seconds of both steps."""
    ours, theirs = alternate(pair, rounds)
    return min(ours.cpu), min(theirs.cpu)


def clip_pair(rows: int = 4) -> Pair:
    """CLIP ViT-B/32 against transformers' CLIPModel: images of 224, texts of 77 tokens."""
    from transformers import CLIPConfig as TheirConfig
    from transformers import CLIPModel

    ours = CLIP(CLIPConfig(image=ImageTowerConfig(patch=32)))
    text, vision = {"eos_token_id": 49_407, "bos_token_id": 49_406}, {"patch_size": 32}
    theirs = CLIPModel(TheirConfig(projection_dim=512, text_config=text, vision_config=vision))
    images = torch.randint(0, 256, (rows, 3, 224, 224), dtype=torch.uint8)
    tokens = torch.randint(0, 49_000, (rows, 77))
    tokens[:, -1] = 49_407
    pixels = ours.image.normalise(images)
    return Pair(
        our_step(ours, PairObjective(), {"keys": [""] * rows, "image": images, "tokens": tokens}),
        their_step(theirs, lambda: theirs(input_ids=tokens, pixel_values=pixels, return_loss=True).loss),
        f"ViT-B/32, {rows} pairs",
    )


class TheirPreTrainedModel(nn.Module):
    """The base class in vilbert-multi-task's utilities, whose other content needs packages that a step does not."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    def _tie_or_clone_weights(self, first: Any, second: Any) -> None:
        first.weight = second.weight


def vilbert_pair(checkout: Path, rows: int = 4, *, full: bool = True) -> Pair:
    """ViLBERT with six connections against its public code: captions of 36 tokens, 36 regions, 15 % masked.

    Unless `full`, captions have the lengths of Conceptual Captions' and are padded to 36 tokens.

    The checkout is of jiasenlu/vilbert_beta or of facebookresearch/vilbert-multi-task. Half of the pairs have another
    caption; the masked losses count on these too, as in both codes by default.
    """
    utils = {"cached_path": None, "PreTrainedModel": TheirPreTrainedModel}
    code = _module(checkout / "vilbert" / "vilbert.py", {"vilbert.utils": utils})
    shape = ViLBERTConfig()
    ours = ViLBERT(shape)
    theirs = code.BertForMultiModalPreTraining(
        code.BertConfig(
            shape.vocab_size,
            num_hidden_layers=shape.layers,
            v_feature_size=shape.feature_width,
            v_target_size=shape.class_count,
            v_hidden_size=shape.v_hidden,
            v_num_hidden_layers=shape.v_layers,
            v_num_attention_heads=shape.v_heads,
            v_intermediate_size=shape.v_ffw,
            bi_hidden_size=shape.co_hidden,
            bi_num_attention_heads=shape.co_heads,
            v_biattention_id=list(shape.v_connections),
            t_biattention_id=list(shape.t_connections),
        )
    )
    objective = PretrainingObjective(ObjectiveConfig(masked_on_negatives=True))
    batch = _regions(shape, rows, full=full)
    read = objective.prepare(batch)
    features, targets, segments = (
        read["features"].float(),
        read["class_probs"].float(),
        torch.zeros_like(read["tokens"]),
    )

    def loss() -> Tensor:
        terms = theirs(
            read["tokens"], features, read["locations"], segments, read["token_mask"].long(),
            read["region_mask"].long(), read["word_labels"], read["masked_regions"].long(), targets,
            read["mismatched"],
        )  # fmt: skip
        total: Tensor = sum(term.sum() for term in terms)  # type: ignore[assignment]
        return total

    note = f"six connections, {rows} pairs, captions of {'36 tokens' if full else 'the length of Conceptual Captions'}"
    return Pair(our_step(ours, objective, batch), their_step(theirs, loss), note)


def _regions(
    shape: ViLBERTConfig, rows: int, tokens: int = 36, regions: int = 36, *, full: bool = True
) -> dict[str, Any]:
    lengths = torch.full((rows,), tokens)
    if not full:  # 10.3 words on average, deviation 4.5 (Sharma et al. 2018, table 2), [CLS] and [SEP]
        lengths = (12.3 + 4.5 * torch.randn(rows)).round().long().clamp(4, tokens)
    real = torch.arange(tokens) < lengths[:, None]
    original = torch.randint(5, shape.vocab_size, (rows, tokens)).where(real, 0)
    return {
        "keys": [""] * rows,
        "negative": torch.rand(rows, 3, dtype=torch.float64),
        "original": original,
        "tokens": original,
        "token_mask": real,
        "word_labels": original.where((torch.rand(rows, tokens) < 0.15) & real, -1),
        "features": torch.rand(rows, regions + 1, shape.feature_width).half(),
        "locations": torch.rand(rows, regions + 1, 5),
        "region_mask": torch.ones(rows, regions + 1, dtype=torch.bool),
        "masked_regions": torch.rand(rows, regions) < 0.15,
        "class_probs": torch.rand(rows, regions, shape.class_count).softmax(-1).half(),
    }


class TheirResampler(nn.Module):
    """open_flamingo's Resampler in the place of ours: (M, T, S, V) -> (M, R, W)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, features: Tensor) -> Tensor:
        found: Tensor = self.module(features[:, None])
        return found[:, 0]


class TheirGatedBlock(nn.Module):
    """open_flamingo's gated block in the place of ours; `places` is where images stand, (B, L) bool."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, text: Tensor, images: Tensor, places: Tensor) -> Tensor:
        found: Tensor = self.module(text, images, media_locations=places)
        return found


def flamingo_pair(checkout: Path, rows: int = 2, images: int = 5, tokens: int = 256) -> Pair:
    """Flamingo against itself with open_flamingo's Resampler and gated blocks: windows of 256 tokens, five images."""
    code = _module(checkout / "open_flamingo" / "src" / "helpers.py", {})
    shape = FlamingoConfig(resampler_heads=8, resampler_head_width=64, heads=8, head_width=64)
    ours, theirs = (_flamingo(shape) for _ in range(2))
    theirs.resampler = TheirResampler(code.PerceiverResampler(dim=768, depth=6))  # type: ignore[assignment]
    blocks = (code.GatedCrossAttentionBlock(dim=768, dim_visual=768) for _ in ours.gated)
    theirs.gated = nn.ModuleList(TheirGatedBlock(block) for block in blocks)
    places = torch.zeros(rows, tokens, dtype=torch.bool)
    places[:, :: tokens // images + 1] = True
    batch = {
        "keys": [""] * rows,
        "images": torch.randint(0, 256, (rows, images, 1, 3, 224, 224), dtype=torch.uint8),
        "tokens": torch.randint(3, 8000, (rows, tokens)),
        "counted": torch.ones(rows, tokens, dtype=torch.bool),
    }
    objective = LanguageObjective({"m3w": 1.0})

    def loss() -> Tensor:
        visual = theirs.encode_images(batch["images"])
        logits = theirs(batch["tokens"], visual, places)
        return nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch["tokens"][:, 1:].flatten())

    return Pair(
        our_step(ours, objective, {"m3w": {**batch, "phi": places.cumsum(1)}}),
        their_step(theirs, loss),
        f"{rows} windows of {tokens} tokens and {images} images",
    )


def _flamingo(shape: FlamingoConfig) -> Flamingo:
    torch.manual_seed(0)
    tower = ImageTowerConfig(layers=4, patch=32)
    language = {"model_type": "gpt_neox", "vocab_size": 8192, "num_hidden_layers": 8, "hidden_size": 768,
                "intermediate_size": 3072, "num_attention_heads": 12, "max_position_embeddings": 512}  # fmt: skip
    return Flamingo(shape, VisionTransformer(tower, 512, quick_gelu), fresh(make_config(language, "benchmark")))


def _module(path: Path, others: Mapping[str, Mapping[str, Any]]) -> Any:
    """Import one file of a checkout; `others` stand in for modules of it that training does not need."""
    package = path.parent.name
    parent = ModuleType(package)
    parent.__path__ = [str(path.parent)]
    sys.modules.setdefault(package, parent)
    for name, values in others.items():
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(values)
    spec = importlib.util.spec_from_file_location(f"{package}.{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pairs(vilbert: Path | None, open_flamingo: Path | None) -> Iterator[tuple[str, Pair | str]]:
    """Yield (family, pair), or (family, the flag that is missing)."""
    yield "CLIP / transformers", clip_pair()
    yield "ViLBERT / public code", vilbert_pair(vilbert) if vilbert else "--vilbert CHECKOUT"
    yield "Flamingo / open_flamingo", flamingo_pair(open_flamingo) if open_flamingo else "--open-flamingo CHECKOUT"
