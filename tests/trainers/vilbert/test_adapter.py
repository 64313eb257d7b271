"""Loading a BERT's weights sets all of ViLBERT's text stream and nothing else."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForPreTraining

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.training.config import TrainConfig
from corpusloom.trainers.training.optimizer import parameter_groups
from corpusloom.trainers.vilbert.adapter import from_transformers, load_bert
from corpusloom.trainers.vilbert.model import ViLBERT
from tests.trainers.vilbert.small import random_inputs, small_config, small_model


def their_bert(**changes: int) -> BertForPreTraining:
    values = {"vocab_size": 50, "hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 4}
    values |= {"intermediate_size": 40, "max_position_embeddings": 16}
    return BertForPreTraining(BertConfig(**(values | changes), attn_implementation="eager")).eval()


def save(model: BertForPreTraining, path: Path) -> str:
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state.pop("cls.predictions.decoder.weight", None)  # tied to the embedding
    save_file(state, path)
    return str(path)


def test_text_stream_and_word_head_are_loaded(tmp_path: Path) -> None:
    theirs, model, inputs = their_bert(), small_model(v_connections=(), t_connections=()), random_inputs()
    taken = load_bert(model, save(theirs, tmp_path / "bert.safetensors"))
    assert taken == 5 + 4 * 16 + 4 + 1
    real = inputs["token_mask"]
    expected = theirs(inputs["tokens"], attention_mask=real.long()).prediction_logits
    logits = model.predict_words(model(**inputs).text)
    torch.testing.assert_close(logits[real], expected[real], atol=1e-5, rtol=1e-5)


def test_names_of_the_first_bert_release_are_known() -> None:
    state = {"bert.embeddings.LayerNorm.gamma": torch.ones(2), "bert.embeddings.LayerNorm.beta": torch.zeros(2)}
    assert set(from_transformers(state)) == {"text_embeddings.norm.weight", "text_embeddings.norm.bias"}


def test_the_visual_stream_keeps_its_own_weights(tmp_path: Path) -> None:
    model = small_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    load_bert(model, save(their_bert(), tmp_path / "bert.safetensors"))
    changed = {
        name.split(".")[0] for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])
    }
    assert changed == {"text_embeddings", "text_layers", "word_transform", "word_bias"}


@pytest.mark.parametrize(
    ("changes", "message"), [({"num_hidden_layers": 3}, r"lacks text_layers\.3"), ({"vocab_size": 60}, r"is \(60")]
)
def test_a_bert_of_another_shape_is_refused(tmp_path: Path, changes: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_bert(small_model(), save(their_bert(**changes), tmp_path / "bert.safetensors"))


def test_a_file_that_is_not_safetensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bert.safetensors").write_bytes(b"pickle?")
    with pytest.raises(InputError, match="not a safetensors file"):
        load_bert(small_model(), str(tmp_path / "bert.safetensors"))


def test_weights_from_bert_may_have_a_lower_learning_rate() -> None:
    config = TrainConfig(steps=1, batch_size=1, lr=1e-4)
    slow = ViLBERT(small_config(init="bert.safetensors", init_lr_factor=0.1))
    assert {group["lr_factor"] for group in parameter_groups(slow, config)} == {0.1, 1.0}
    assert {group["lr_factor"] for group in parameter_groups(ViLBERT(small_config(init_lr_factor=0.1)), config)} == {
        1.0
    }
