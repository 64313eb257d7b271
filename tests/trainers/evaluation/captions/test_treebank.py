"""Words of captions by the tokenizer of the COCO evaluation, if it is installed, else by our own."""

import sys
from types import ModuleType

import pytest

from corpusloom.trainers.evaluation.captions import treebank


class Tokenizer:
    """A stand-in of pycocoevalcap's tokenizer."""

    def tokenize(self, captions: dict[int, list[dict[str, str]]]) -> dict[int, list[str]]:
        return {key: [f"<{entry['caption']}> ptb" for entry in own] for key, own in captions.items()}


def test_without_the_package_the_words_are_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(treebank, "find_spec", lambda name: None)
    assert not treebank.is_official()
    assert treebank.words_of_captions([["A dog."], []]) == [[["a", "dog"]], []]


def test_with_the_package_and_java_the_words_are_those_of_its_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("pycocoevalcap.tokenizer.ptbtokenizer")
    module.PTBTokenizer = Tokenizer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(treebank, "find_spec", lambda name: module)
    monkeypatch.setattr(treebank.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert treebank.is_official()
    assert treebank.words_of_captions([["A", "B"], ["C"]]) == [[["<A>", "ptb"], ["<B>", "ptb"]], [["<C>", "ptb"]]]


def test_without_java_the_package_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(treebank, "find_spec", lambda name: ModuleType(name))
    monkeypatch.setattr(treebank.shutil, "which", lambda name: None)
    assert not treebank.is_official()
