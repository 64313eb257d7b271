"""The heads of the tasks stand on h_IMG * h_CLS or on each region, and padding changes nothing."""

import torch

from corpusloom.trainers.vilbert.downstream.model import TaskModel
from corpusloom.trainers.vilbert.model.pretraining import ViLBERT
from tests.trainers.vilbert.small import random_inputs, small_config


def task_model(task: str) -> TaskModel:
    torch.manual_seed(0)
    return TaskModel(small_config(task=task, answers=7)).eval()


def test_each_task_has_logits_of_its_own_shape() -> None:
    inputs = random_inputs()
    assert task_model("vqa")(**inputs).shape == (3, 7)
    assert task_model("refcoco")(**inputs).shape == (3, inputs["features"].shape[1] - 1)


def test_padding_changes_no_logit() -> None:
    inputs = random_inputs()
    noisy = {**inputs, "features": inputs["features"] + 5 * ~inputs["region_mask"][..., None]}
    real = inputs["region_mask"][:, 1:]
    for task in ("vqa", "refcoco"):
        first, second = task_model(task)(**inputs), task_model(task)(**noisy)
        chosen = real if task == "refcoco" else torch.ones_like(first, dtype=torch.bool)
        torch.testing.assert_close(first[chosen], second[chosen])


def test_a_task_model_has_the_streams_of_the_pre_training_and_no_other_head() -> None:
    names, own = set(ViLBERT(small_config()).state_dict()), set(task_model("vqa").state_dict())
    assert {name.partition(".")[0] for name in own - names} == {"head"}
    assert {name.partition(".")[0] for name in names - own} == {
        "alignment", "region_decoder", "region_transform", "word_bias", "word_transform",
    }  # fmt: skip


def test_several_texts_of_an_image_have_the_logits_of_each_alone() -> None:
    inputs, model, count = random_inputs(), task_model("vqa"), 4
    generator = torch.Generator().manual_seed(2)
    shape = (3, count, inputs["tokens"].shape[1])
    tokens = torch.randint(5, 50, shape, generator=generator)
    mask = torch.arange(shape[2]) < torch.randint(3, 9, (3, count, 1), generator=generator)
    segments = torch.randint(0, 2, shape, generator=generator)
    encoded: list[int] = []
    model.region_embeddings.register_forward_hook(lambda _, arguments, __: encoded.append(len(arguments[0])))
    found = model(**inputs | {"tokens": tokens, "token_mask": mask}, segments=segments)
    assert encoded == [3]  # an image is encoded once
    assert found.shape == (3, count, 7)
    for choice in range(count):
        one = inputs | {"tokens": tokens[:, choice], "token_mask": mask[:, choice]}
        torch.testing.assert_close(found[:, choice], model(**one, segments=segments[:, choice]))
        assert not torch.allclose(found[:, choice], model(**one))
