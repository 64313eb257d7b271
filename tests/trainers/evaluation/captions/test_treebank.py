"""Words of captions by the tokenizer of the COCO evaluation, if it is installed, else by our own."""

import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from types import ModuleType

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.evaluation.captions import treebank


class Tokenizer:
    """A stand-in of pycocoevalcap's tokenizer."""

    def tokenize(self, captions: dict[int, list[dict[str, str]]]) -> dict[int, list[str]]:
        return {key: [f"<{entry['caption']}> ptb" for entry in own] for key, own in captions.items()}


def test_without_the_package_the_words_are_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(treebank, "find_spec", lambda name: None)
    assert not treebank.is_official()
    assert treebank.words_of_captions([["A dog."], []]) == [[["a", "dog"]], []]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the stand-in, and Java."""
    module = ModuleType("pycocoevalcap.tokenizer.ptbtokenizer")
    module.PTBTokenizer = Tokenizer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(treebank, "find_spec", lambda name: module)
    monkeypatch.setattr(treebank.shutil, "which", lambda name: f"/usr/bin/{name}")
    treebank._treebank_words.cache_clear()
    yield
    treebank._treebank_words.cache_clear()


@pytest.mark.usefixtures("installed")
def test_with_the_package_and_java_the_words_are_those_of_its_tokenizer() -> None:
    assert treebank.is_official()
    assert treebank.words_of_captions([["A", "B"], [], ["A"]]) == [
        [["<A>", "ptb"], ["<B>", "ptb"]],
        [],
        [["<A>", "ptb"]],
    ]


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("found", "what"), [(OSError("read-only"), "cannot run: read-only"), ({}, "gave 0 of 1 captions")]
)
def test_a_tokenizer_that_cannot_run_is_named(found: object, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def tokenize(self: Tokenizer, captions: object) -> object:
        if isinstance(found, OSError):
            raise found
        return found

    monkeypatch.setattr(Tokenizer, "tokenize", tokenize)
    with pytest.raises(InputError, match=rf"pycocoevalcap: PTBTokenizer {what}"):
        treebank.words_of_captions([["A"]])


@pytest.mark.skipif(
    find_spec(treebank.PACKAGE) is None or shutil.which("java") is None, reason="needs pycocoevalcap and Java"
)
def test_a_caption_of_several_lines_is_one_of_the_real_tokenizer() -> None:
    captions = ["A man\u2028rides.", "", "the dog's\rball\x0bis n't\x85red", "U.S. (flag)"]
    wanted = ["a man rides", "", "the dog 's ball is n't red", "u.s. -lrb- flag -rrb-"]
    assert treebank.words_of_captions([captions[:2], captions[2:]]) == [
        [text.split() for text in own] for own in (wanted[:2], wanted[2:])
    ]


def test_without_java_the_package_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(treebank, "find_spec", lambda name: ModuleType(name))
    monkeypatch.setattr(treebank.shutil, "which", lambda name: None)
    assert not treebank.is_official()
