"""A BERT's weights set all of ViLBERT's text stream and nothing else; a published ViLBERT comes and goes whole."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.training.config import TrainConfig, load_config
from corpusloom.trainers.training.hub.folders import HF, OPEN_CLIP, read_folder
from corpusloom.trainers.training.hub.pickles import import_model
from corpusloom.trainers.training.optimizer import parameter_groups
from corpusloom.trainers.vilbert import adapter
from corpusloom.trainers.vilbert.initial import take_source
from corpusloom.trainers.vilbert.model.pretraining import ViLBERT
from corpusloom.trainers.vilbert.shapes import config_of
from corpusloom.trainers.vilbert.task import export, read_model
from corpusloom.trainers.vilbert.tokenizer import make_tokenizer, tokenizer_in
from tests.trainers.vilbert.folders import WORDS, bert_folder, published_shapes
from tests.trainers.vilbert.small import random_inputs, small_config, small_model

ONE = {"streams": 1, "v_hidden": 24, "co_hidden": 24}
TOKENIZER = make_tokenizer({word: number for number, word in enumerate(WORDS)})


@pytest.mark.parametrize("heads", [True, False], ids=["with heads", "BertModel"])
def test_the_text_stream_gives_the_outputs_of_bert(tmp_path: Path, heads: bool) -> None:
    path, theirs = bert_folder(tmp_path / "bert", heads=heads)
    model, inputs = small_model(v_connections=(), t_connections=()), random_inputs()
    adapter.load_weights(model, read_folder(path))
    real, mask = inputs["token_mask"], inputs["token_mask"].long()
    with torch.no_grad():
        expected = theirs.bert(inputs["tokens"], attention_mask=mask).last_hidden_state
        found = model(**inputs).text
        torch.testing.assert_close(found[real], expected[real], atol=1e-5, rtol=1e-5)
        logits = theirs(inputs["tokens"], attention_mask=mask).prediction_logits
        assert torch.allclose(model.predict_words(found)[real], logits[real], atol=1e-5) == heads


def test_the_visual_stream_keeps_its_own_weights(tmp_path: Path) -> None:
    model = small_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    adapter.load_weights(model, read_folder(bert_folder(tmp_path / "bert")[0]))
    changed = {name.split(".")[0] for name, tensor in model.state_dict().items() if not tensor.equal(before[name])}
    assert changed == {"text_embeddings", "text_layers", "word_transform", "word_bias"}


def test_names_of_the_first_bert_release_are_known(tmp_path: Path) -> None:
    path, _ = bert_folder(tmp_path / "bert")
    state = load_file(tmp_path / "bert/model.safetensors")
    old = {}
    for name, tensor in state.items():
        short = name.removeprefix("bert.").replace("LayerNorm.weight", "LayerNorm.gamma")
        old[short.replace("LayerNorm.bias", "LayerNorm.beta")] = tensor
    ours, again = small_model(), small_model()
    adapter.load_weights(ours, read_folder(path))
    save_file(old, tmp_path / "bert/model.safetensors")
    adapter.load_weights(again, read_folder(path))
    assert all(torch.equal(ours.state_dict()[name], tensor) for name, tensor in again.state_dict().items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_hidden_layers": 3}, r"no bert\.encoder\.layer\.3\.attention"),
        ({"num_hidden_layers": 5}, r"bert\.encoder\.layer\.4\.\S+ has no place here"),
        ({"vocab_size": 60}, r"word_bias is \(60,\), not \(50,\)"),
    ],
)
def test_a_bert_of_another_shape_is_refused(tmp_path: Path, changes: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=f"bert: weights of another model: {message}"):
        adapter.load_weights(small_model(), read_folder(bert_folder(tmp_path / "bert", **changes)[0]))


def test_the_export_has_the_names_and_shapes_of_the_public_code(tmp_path: Path) -> None:
    model = small_model()
    adapter.export(model, TOKENIZER, {}, HF, str(tmp_path / "out"))
    state = load_file(tmp_path / "out/model.safetensors")
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == published_shapes()
    assert torch.equal(state["cls.predictions.decoder.weight"], model.text_embeddings.token.weight)
    again = ViLBERT(small_config()).eval()
    adapter.load_weights(again, read_folder(str(tmp_path / "out")))
    expected, found = model(**random_inputs()), again(**random_inputs())
    assert torch.equal(found.text, expected.text)
    assert torch.equal(found.alignment, expected.alignment)
    config = json.loads((tmp_path / "out/config.json").read_text())
    assert (config["v_biattention_id"], config["bi_hidden_size"], config["v_target_size"]) == ([0, 1], 16, 12)
    read = tokenizer_in(str(tmp_path / "out"))
    assert read is not None
    assert read.get_vocab() == TOKENIZER.get_vocab()


def test_a_published_folder_comes_in_and_goes_out_the_same(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    adapter.export(small_model(), TOKENIZER, {}, HF, str(source))
    state = {name: torch.randn(shape).half() for name, shape in published_shapes().items()}
    state["cls.predictions.decoder.weight"] = state["bert.embeddings.word_embeddings.weight"].clone()
    state["vil_prediction.main.0.bias"] = torch.randn(3).half()
    save_file(state, source / "model.safetensors", {"format": "pt"})
    folder, model = read_folder(str(source)), small_model()
    adapter.load_weights(model, folder)
    adapter.export(model, TOKENIZER, adapter.attachments_of(folder), HF, str(out))
    assert {file.name: file.read_bytes() for file in out.iterdir()} == {
        file.name: file.read_bytes() for file in source.iterdir()
    }


def test_a_published_pickle_comes_in_and_its_tensors_go_out_the_same(tmp_path: Path) -> None:
    state = {name: torch.randn(shape) for name, shape in published_shapes().items()}
    state["cls.predictions.decoder.weight"] = state["bert.embeddings.word_embeddings.weight"]
    for name in ("vil_prediction.logit_fc.0", "vil_prediction_gqa.logit_fc.3", "vil_binary_prediction.logit_fc.2"):
        state[f"{name}.weight"] = torch.randn(4, 3)
    for name in ("vil_logit", "vil_tri_prediction", "vision_logit", "linguisic_logit"):
        state[f"{name}.weight"], state[f"{name}.bias"] = torch.randn(1, 3), torch.randn(1)
    torch.save({f"module.{name}": tensor for name, tensor in state.items()}, tmp_path / "pytorch_model_9.bin")
    (tmp_path / "bert_base.json").write_bytes(config_of(small_config()))
    import_model(str(tmp_path / "pytorch_model_9.bin"), str(tmp_path / "in"), str(tmp_path / "bert_base.json"))
    (tmp_path / "in/vocab.txt").write_text("\n".join(WORDS) + "\n")
    model, attachments = read_model(read_folder(str(tmp_path / "in")))
    export(model, attachments, HF, str(tmp_path / "out"))
    written = load_file(tmp_path / "out/model.safetensors")
    assert written.keys() == state.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in written.items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_hidden_layers": 5}, r"no bert\.encoder\.layer\.4\."),
        ({"v_num_hidden_layers": 3}, r"no bert\.encoder\.v_layer\.2\."),
        ({"v_biattention_id": [0], "t_biattention_id": [2]}, r"bert\.encoder\.c_layer\.1\.\S+ has no place here"),
    ],
)
def test_a_published_folder_of_another_depth_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    adapter.export(small_model(), TOKENIZER, {}, HF, str(tmp_path / "in"))
    config = json.loads((tmp_path / "in/config.json").read_text())
    (tmp_path / "in/config.json").write_text(json.dumps(config | changes))
    with pytest.raises(InputError, match=f"in: weights of another model: {message}"):
        read_model(read_folder(str(tmp_path / "in")))


def test_weights_with_tokens_for_tasks_are_refused(tmp_path: Path) -> None:
    adapter.export(small_model(), TOKENIZER, {}, HF, str(tmp_path / "in"))
    state = load_file(tmp_path / "in/model.safetensors")
    state["bert.embeddings.task_embeddings.weight"] = torch.ones(20, 24)
    save_file(state, tmp_path / "in/model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"in: has a token for each of its tasks, .*without --task_specific_tokens"):
        read_model(read_folder(str(tmp_path / "in")))


def test_other_layouts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no place in the layout open_clip"):
        adapter.export(small_model(), TOKENIZER, {}, OPEN_CLIP, str(tmp_path / "out"))


def test_weights_from_bert_may_have_a_lower_learning_rate() -> None:
    config = TrainConfig(steps=1, batch_size=1, lr=1e-4)
    slow = ViLBERT(small_config(init="bert", init_lr_factor=0.1))
    assert {group["lr_factor"] for group in parameter_groups(slow, config)} == {0.1, 1.0}
    assert {group["lr_factor"] for group in parameter_groups(ViLBERT(small_config(init_lr_factor=0.1)), config)} == {
        1.0
    }


def test_a_single_stream_takes_the_pooler_of_a_bert_and_has_no_published_layout(tmp_path: Path) -> None:
    path, theirs = bert_folder(tmp_path / "bert")
    model = small_model(**ONE)
    adapter.load_weights(model, read_folder(path))
    assert torch.equal(model.text_pooler.weight, theirs.bert.pooler.dense.weight)
    assert torch.equal(model.text_layers[3].query.weight, theirs.bert.encoder.layer[3].attention.self.query.weight)
    with pytest.raises(ConfigError, match=r"two streams, and this model has one .*give a run with two streams"):
        adapter.export(model, TOKENIZER, {}, HF, str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_published_folder_is_refused_for_a_single_stream(tmp_path: Path) -> None:
    adapter.export(small_model(), TOKENIZER, {}, HF, str(tmp_path / "published"))
    path = str(tmp_path / "published")
    config = load_config("vilbert-tiny", [f"model.init={path}", "model.streams=1"])
    with pytest.raises(ConfigError, match=r"model\.streams is 1, and 2 in .*leave model\.streams out"):
        take_source(config, {"model.init", "model.streams"})
