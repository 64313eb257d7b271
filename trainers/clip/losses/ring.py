"""Exchange of rows between neighbours in a ring of the data ranks."""

from typing import Any

import torch.distributed as dist
from torch import Tensor

from corpusloom.trainers.training.distributed import data_group, data_rank, data_ranks


def pass_on(tensor: Tensor, rows: int) -> Tensor:
    """Send a tensor, (B, ...), to the next data rank, and return that of the previous one, (`rows`, ...).

    No gradient flows. A tensor without rows is not sent. In a dry run, where all ranks hold the same, nothing is.
    """
    ranks, group = data_ranks(), data_group()
    if ranks == 1 or dist.get_backend(group) == "fake":
        return tensor
    received = tensor.new_empty((rows, *tensor.shape[1:]))
    sides: list[tuple[Any, Tensor, int]] = [(dist.isend, tensor.contiguous(), 1), (dist.irecv, received, -1)]
    operations = [
        dist.P2POp(operation, part, group=group, group_peer=(data_rank() + step) % ranks)
        for operation, part, step in sides
        if len(part)
    ]
    for work in dist.batch_isend_irecv(operations) if operations else ():
        work.wait()
    return received
