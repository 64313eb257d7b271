"""Language models from folders: the same model again, and one clear line for each folder that cannot be used."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from corpusloom.schemas.errors import ConfigError, InputError, LoomError
from corpusloom.trainers.lm import adapter
from corpusloom.trainers.lm.tokenizer import TextTokenizer, train_tokenizer
from corpusloom.trainers.training.hub.folders import read_folder
from tests.trainers.lm.tiny import SHAPES, tiny

TEXTS = ["a red star on a grey ground", "two blue rings"] * 4


def write(folder: Path, family: str = "llama", tokenizer: TextTokenizer | None = None) -> Path:
    """Write a folder as the library itself does."""
    tiny(family).network.save_pretrained(folder)
    for name, data in (tokenizer or train_tokenizer(TEXTS, 280)).files().items():
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("family", SHAPES)
def test_a_folder_gives_the_model_that_was_saved_in_it(family: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    folder = write(tmp_path, family)
    torch.manual_seed(0)
    model, tokens = adapter.load(str(folder)), torch.randint(0, 50, (1, 7))
    assert not model.training
    torch.manual_seed(0)
    assert torch.equal(model(tokens), tiny(family)(tokens))
    half = adapter.load(str(folder), torch.bfloat16)
    assert {parameter.dtype for parameter in half.parameters()} == {torch.bfloat16}
    with torch.device("meta"):
        assert {p.device.type for p in adapter.load(str(folder)).parameters()} == {"meta"}


def lose_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def break_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def change_type(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "no_such_model"}))


def encoder(folder: Path) -> None:
    tiny_bert = {"model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    (folder / "config.json").write_text(json.dumps({**tiny_bert, "intermediate_size": 8, "vocab_size": 50}))


def pickle_only(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def lose_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def cut_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def lose_a_layer(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    del state["model.layers.1.mlp.up_proj.weight"]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def change_a_shape(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 40}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lose_config, "no config.json"),
        (break_config, "config.json: not readable as JSON"),
        (change_type, "config.json cannot be read.*no_such_model"),
        (pickle_only, "no model.safetensors.*pickled weights are not read.*loom import-model"),
        (lose_weights, "no model.safetensors"),
        (cut_weights, "cut short"),
        (lose_a_layer, "1 weights are missing or of another shape, such as model.layers.1.mlp.up_proj.weight"),
        (change_a_shape, "12 weights are missing or of another shape"),
        (encoder, "missing or of another shape|not a decoder-only"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused_in_one_line(
    damage: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    folder = write(tmp_path / "lm")
    damage(folder)
    with pytest.raises(LoomError, match=message) as caught:
        adapter.load(str(folder))
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_is_that_of_the_folder_with_its_special_tokens(tmp_path: Path) -> None:
    own = train_tokenizer(TEXTS, 280)
    folder = write(tmp_path, tokenizer=own)
    found = adapter.load_tokenizer(str(folder))
    assert (found.bos, found.eos, found.pad) == (own.bos, own.eos, own.pad) == (1, 2, 0)
    assert found.ids("a red star <image>") == own.ids("a red star <image>")
    with pytest.raises(ConfigError, match=r"largest id is 2\d\d, the embedding has 50 rows"):
        found.check_fits(50, str(folder))
    found.check_fits(own.tokenizer.get_vocab_size(), str(folder))


def test_a_folder_without_a_tokenizers_files_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    with pytest.raises(InputError, match=r"no tokenizer.*the folder needs tokenizer\.json"):
        adapter.load_tokenizer(str(folder))


def test_a_tokenizer_without_an_end_token_is_refused_and_without_a_begin_token_starts_with_the_end(
    tmp_path: Path,
) -> None:
    folder = write(tmp_path)
    special = json.loads((folder / "tokenizer_config.json").read_text())
    only_end = {key: value for key, value in special.items() if key not in ("bos_token", "pad_token")}
    (folder / "tokenizer_config.json").write_text(json.dumps(only_end))
    found = adapter.load_tokenizer(str(folder))
    assert (found.bos, found.eos, found.pad) == (2, 2, 2)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    with pytest.raises(InputError, match="a language model without an end token"):
        adapter.load_tokenizer(str(folder))
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(InputError, match="no tokenizer can be read"):
        adapter.load_tokenizer(str(folder))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"model_type": "llama", "hiden_size": 8}, "unknown key hiden_size of llama .did you mean hidden_size"),
        ({"model_type": "lama"}, "no model_type 'lama'"),
        ({"hidden_size": 8}, "no model_type None"),
        ({"model_type": "llama", "hidden_size": "wide"}, "not a configuration of llama"),
        ({"model_type": "t5", "num_layers": 1}, "t5 has no causal language model"),
    ],
)
def test_a_table_that_is_no_shape_is_refused_in_one_line(shape: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught, torch.device("meta"):
        adapter.fresh(adapter.make_config(shape, "lm.toml"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("family", SHAPES)
def test_a_folder_that_is_read_and_written_again_is_the_same_byte_for_byte(family: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "lm", family)
    model, own = adapter.load(str(folder)), adapter.load_tokenizer(str(folder))
    adapter.export(model, {**own.files(), **read_folder(str(folder)).origin()}, "hf", str(tmp_path / "again"))
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name
    adapter.export(model, own.files(), "hf", str(tmp_path / "new"))
    tokens = torch.randint(0, 50, (1, 7))
    assert torch.equal(adapter.load(str(tmp_path / "new"))(tokens), model(tokens))


def test_another_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no place in the layout open_clip"):
        adapter.export(tiny(), {}, "open_clip", str(tmp_path / "out"))
