"""Batch normalisation over counted images; test_rank_matrix tests it over ranks."""

import torch
from torch import nn

from corpusloom.trainers.clip.towers.batch_norm import BatchNorm, counted_images


def layers() -> tuple[BatchNorm, nn.BatchNorm2d]:
    torch.manual_seed(0)
    own, reference = BatchNorm(3).double(), nn.BatchNorm2d(3).double()
    nn.init.normal_(own.weight)
    reference.load_state_dict(own.state_dict())
    return own, reference


def test_the_first_images_alone_shape_the_statistics() -> None:
    own, reference = layers()
    x = torch.randn(5, 3, 4, 2, dtype=torch.float64)
    with counted_images(nn.Sequential(own), 3):
        found = own(x)
    assert torch.allclose(found[:3], reference(x[:3]), atol=1e-12)
    for name, buffer in own.named_buffers():
        assert torch.allclose(buffer.double(), reference.get_buffer(name).double(), atol=1e-12), name
    assert own.counted is None


def test_gradients_are_those_of_torchs_layer() -> None:
    own, reference = layers()
    x = torch.randn(4, 3, 2, 2, dtype=torch.float64)
    for layer in (own, reference):
        layer.counted = 3 if layer is own else None
        layer(x[:4] if layer is own else x[:3])[:3].square().sum().backward()
    assert torch.allclose(own.weight.grad, reference.weight.grad, atol=1e-12)
    assert torch.allclose(own.bias.grad, reference.bias.grad, atol=1e-12)


def test_without_a_counted_image_the_statistics_stay() -> None:
    own, _ = layers()
    before = {name: buffer.clone() for name, buffer in own.named_buffers()}
    own.counted = 0
    assert own(torch.randn(1, 3, 1, 1, dtype=torch.float64)).isfinite().all()
    assert all(torch.equal(before[name], buffer) for name, buffer in own.named_buffers())


def test_in_evaluation_mode_the_running_statistics_are_used() -> None:
    own, reference = layers()
    x = torch.randn(2, 3, 2, 2, dtype=torch.float64)
    assert torch.equal(own.eval()(x), reference.eval()(x))
