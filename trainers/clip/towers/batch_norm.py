"""Batch normalisation over the images of all data ranks (arXiv 1502.03167); torch's SyncBatchNorm needs a GPU."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpusloom.trainers.training import collectives, distributed
from corpusloom.trainers.training.parallel import is_recomputing


class BatchNorm(nn.BatchNorm2d):
    """Normalisation per channel with the mean and variance of all ranks' counted images."""

    counted: int | None = None
    """Number of first images that count; the others are normalised like them. None: all."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        if not self.training:
            return super().forward(x)
        if distributed.data_ranks() == 1 and self.counted in (None, len(x)):
            if is_recomputing():  # the first pass has moved the running statistics already
                assert self.running_mean is not None
                assert self.running_var is not None
                kept = self.running_mean.clone(), self.running_var.clone()
                return F.batch_norm(x, *kept, self.weight, self.bias, training=True, eps=self.eps)
            return super().forward(x)
        own = x if self.counted is None else x[: self.counted]
        axes = (0, 2, 3)
        number = collectives.total(own.new_tensor([own.numel() / own.shape[1]]))
        mean = collectives.total_with_gradient(own.sum(axes)) / number.clamp(min=1)
        centred = own - mean[:, None, None]
        variance = collectives.total_with_gradient(centred.square().sum(axes)) / number.clamp(min=1)
        if int(number) and not is_recomputing():
            self._remember(mean.detach(), variance.detach() * number / (number - 1).clamp(min=1))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (x - mean[:, None, None]) * scale[:, None, None] + self.bias[:, None, None]

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards those of a batch."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_(variance.to(self.running_var.dtype), self.momentum)


@contextlib.contextmanager
def counted_images(model: nn.Module, counted: int | None) -> Iterator[None]:
    """Let the batch normalisation of a model see the first `counted` images alone while the block runs."""
    layers = [module for module in model.modules() if isinstance(module, BatchNorm)]
    for layer in layers:
        layer.counted = counted
    try:
        yield
    finally:
        for layer in layers:
            layer.counted = None
