"""The exact, elastic loader over WebDataset tars."""

from trainers.stream.dataset import StreamingDataset
from trainers.stream.mixing import Mixture

__all__ = ["Mixture", "StreamingDataset"]
