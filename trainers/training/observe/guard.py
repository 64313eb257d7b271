"""Leaves out the update of a step whose loss or gradient is not finite, or jumps, and ends a run that leaves out many.

A step that is left out changes neither weights nor optimiser nor batch norm statistics; the stream goes on.
"""

import math
import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from corpusloom.schemas.errors import LoomError
from corpusloom.trainers.training import collectives, distributed
from corpusloom.trainers.training.batches import sample_keys
from corpusloom.trainers.training.config import TrainConfig
from corpusloom.trainers.training.parallel import local

WINDOW = 100
"""Number of previous steps whose loss and gradient norm a step is compared with."""
ENOUGH = 20
"""Least number of previous, not skipped steps for such a comparison."""
KEYS_SHOWN = 8


@dataclass(frozen=True, slots=True)
class SkippedStep:
    """A step whose update was left out on all ranks."""

    step: int
    """Number of the step, from 0."""
    reason: str
    """not_finite or spike."""
    loss: float
    grad_norm: float
    keys: tuple[tuple[str, ...], ...]
    """Keys of each data rank's batch."""
    suspects: tuple[int, ...]
    """Data ranks whose own share of the loss is not finite; none for a spike."""
    causes: tuple[str, ...] = ()
    """Values in the batches of all ranks that are not finite, as the objective describes them."""

    def __str__(self) -> str:
        ranks = self.suspects or tuple(range(len(self.keys)))
        shown = [key for rank in ranks for key in self.keys[rank]]
        more = f" and {len(shown) - KEYS_SHOWN:,} more" if len(shown) > KEYS_SHOWN else ""
        where = f" of rank {', '.join(map(str, ranks))}" if len(self.keys) > 1 else ""
        return (
            f"step {self.step + 1} is skipped ({self.reason}): loss {self.loss:.4g}, "
            f"gradient norm {self.grad_norm:.4g}, batch{where}: {', '.join(shown[:KEYS_SHOWN]) or 'no sample'}{more}"
            f"{''.join(f'; {cause}' for cause in self.causes[:KEYS_SHOWN])}"
        )


class Guard:
    """Decides by loss and gradient norm whether a step is skipped; the decision is the same on all ranks.

    It reads both numbers, so it is not `active` over fake tensors, which have none.
    """

    def __init__(self, config: TrainConfig, *, active: bool = True) -> None:
        self._active = active
        self._factor, self._limit = config.spike_factor, config.max_skipped_steps
        self._losses: deque[float] = deque(maxlen=WINDOW)
        self._norms: deque[float] = deque(maxlen=WINDOW)
        self.in_a_row = 0
        """Steps that were skipped since the last one that was not."""
        self.skipped = 0
        """Steps that were skipped since the run began or resumed."""
        self.good_step = -1
        """Last step that was not skipped, from 0."""

    def judge(self, step: int, loss: Tensor, grad_norm: Tensor, batches: Sequence[Any]) -> SkippedStep | None:
        """Return None if a step's update is to be made, else why not; every rank calls this in every step.

        `loss` is this rank's share of the step's loss, `grad_norm` the norm of the global gradient, () each. The step's
        batches are read only for their keys.
        """
        if not self._active:
            return None
        shares = collectives.gather_world(torch.stack([loss.detach().double(), grad_norm.detach().double()]))
        own, total, norm = _combine(shares)
        reason = self._reason(total, norm)
        if reason is None:
            if total or norm:  # a step without a sample is no measure for others
                self._losses.append(total)
                self._norms.append(norm)
            self.in_a_row, self.good_step = 0, step
            return None
        self.in_a_row += 1
        self.skipped += 1
        own_keys = tuple(key for batch in batches for key in sample_keys(batch))
        keys = tuple(collectives.gather_objects(own_keys))
        return SkippedStep(step, reason, total, norm, keys, own)

    def _reason(self, loss: float, norm: float) -> str | None:
        if not (math.isfinite(loss) and math.isfinite(norm)):
            return "not_finite"
        factor = self._factor
        if factor is None or len(self._losses) < ENOUGH:
            return None
        jumps = loss > factor * statistics.median(self._losses) or norm > factor * statistics.median(self._norms)
        return "spike" if jumps else None

    @property
    def is_exhausted(self) -> bool:
        """Whether `train.max_skipped_steps` steps in a row were skipped, so that training ends."""
        return self.in_a_row >= self._limit

    def error(self, last: SkippedStep, checkpoint: str | None) -> LoomError:
        """Return the error that ends the run; `checkpoint` is the last one that is sound."""
        sound = f"{checkpoint} is the last sound checkpoint" if checkpoint else "there is no sound checkpoint"
        first = "no step went well: inspect the initial weights and train.precision, or " if self.good_step < 0 else ""
        return LoomError(
            f"{self.in_a_row} steps in a row were skipped; {last}",
            where="train",
            remedy=f"{first}lower train.lr, set train.grad_clip, or inspect the samples; {sound}",
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the numbers that later decisions depend on."""
        return {"losses": list(self._losses), "norms": list(self._norms), "in_a_row": self.in_a_row}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load the state of the run that is resumed."""
        self._losses = deque(state["losses"], WINDOW)
        self._norms = deque(state["norms"], WINDOW)
        self.in_a_row = int(state["in_a_row"])


def _combine(shares: Tensor) -> tuple[tuple[int, ...], float, float]:
    """Return the ranks whose share is not finite, the step's loss and its gradient norm: (ranks, 2) -> ...

    All ranks hold the same numbers, so they compute the same result. Ranks of one tensor group have the same share.
    """
    losses, norms = shares[:, 0].tolist(), shares[:, 1].tolist()
    copies = len(losses) // distributed.data_ranks()
    suspects = tuple(rank // copies for rank in range(0, len(losses), copies) if not math.isfinite(losses[rank]))
    norm = math.nan if any(map(math.isnan, norms)) else max(norms)
    return suspects, math.fsum(losses) / copies if not suspects else math.nan, norm


class NormStatistics:
    """Copies of the running statistics of batch norm, which a forward pass changes, to go back to."""

    def __init__(self, model: nn.Module) -> None:
        norms = [module for module in model.modules() if getattr(module, "running_mean", None) is not None]
        self._live = [buffer for module in norms for buffer in module.buffers(recurse=False)]
        self._kept = [buffer.clone() for buffer in self._live]

    def keep(self) -> None:
        """Keep the statistics as they are."""
        for kept, live in zip(self._kept, self._live, strict=True):
            kept.copy_(live)

    def restore(self) -> None:
        """Go back to the statistics that were kept."""
        for kept, live in zip(self._kept, self._live, strict=True):
            live.copy_(kept)


def finite_weights(model: nn.Module) -> bool:
    """Return whether all floating-point weights of a model are finite, on all ranks."""
    finite = torch.ones((), dtype=torch.int64)
    for weight in model.parameters():
        if weight.is_floating_point() and not bool(local(weight.detach()).isfinite().all()):
            finite.zero_()
            break
    return bool(collectives.gather_world(finite).min())
