"""Languages by content, from several threads."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from corpusloom.pipelines.filters import language
from corpusloom.pipelines.filters.language import LanguageConfig, language_scores, measure_language, rules
from corpusloom.pipelines.filters.text.text_filter import Text, judge
from corpusloom.schemas.verdicts import Kept, Rejected, decide
from tests.pipelines.filters.published import LANGUAGE

TEXTS = {
    "en": "The museum is open every day and shows paintings of the last century to all who want to see them.",
    "de": "Das Museum ist jeden Tag geöffnet und zeigt allen, die sie sehen wollen, Gemälde des letzten Jahrhunderts.",
    "fr": "Le musée est ouvert tous les jours et montre des tableaux du siècle dernier à ceux qui veulent les voir.",
    "ja": "美術館は毎日開いており、前世紀の絵画を見たいすべての人に展示しています。",
    "ru": "Музей открыт каждый день и показывает картины прошлого века всем, кто хочет их увидеть.",
}


@pytest.mark.parametrize("code", TEXTS)
def test_the_language_is_found(code: str) -> None:
    found, score = measure_language(TEXTS[code])
    assert found == code
    assert 0.65 <= score <= 1.0


@pytest.mark.parametrize("text", ["", "   \n", "123 456 -- !!", "\x00\x00", "\ud800"])
def test_a_text_without_letters_has_no_language(text: str) -> None:
    assert measure_language(text) == ("und", 0.0)


def test_capitals_and_new_lines_do_not_matter() -> None:
    text = TEXTS["en"]
    assert measure_language(text.upper())[0] == "en"
    assert measure_language(text.replace(" ", "\n")) == measure_language(text)


def test_only_wanted_languages_pass() -> None:
    assert judge(language, TEXTS["en"], LANGUAGE) == Kept()
    assert judge(language, TEXTS["de"], LANGUAGE) == Rejected("language", 0.0, 0.0)
    assert judge(language, TEXTS["de"], LanguageConfig(languages=("de", "en"))) == Kept()
    assert language_scores("de", 0.9, ("en",)) == {"language_score": 0.9, "language_match": 0.0}


def test_without_languages_any_language_passes() -> None:
    assert judge(language, TEXTS["de"], LanguageConfig()) == Kept()
    assert judge(language, "", LanguageConfig()) == Kept()
    assert judge(language, "", LanguageConfig(min_score=0.5)) == Rejected("language_uncertain", 0.0, 0.5)


def test_a_known_language_is_not_detected_again() -> None:
    scores = language.measure(Text(TEXTS["en"], language=("de", 0.9)), LANGUAGE)
    assert scores == {"language_score": 0.9, "language_match": 0.0}


def test_a_wanted_language_may_be_uncertain() -> None:
    scores = language_scores("en", 0.3, ("en",))
    assert decide(scores, rules(LANGUAGE)) == Rejected("language_uncertain", 0.3, 0.65)
    assert decide(scores, rules(LanguageConfig(languages=("en",)))) == Kept()


def test_threads_agree_with_one_thread() -> None:
    texts = [f"{text} {number}" for number in range(10) for text in TEXTS.values()]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(measure_language, texts)) == [measure_language(text) for text in texts]


def test_a_long_text_is_sampled_over_its_length() -> None:
    mixed = (TEXTS["en"] + " ") * 10 + (TEXTS["de"] + " ") * 100
    assert measure_language(mixed)[0] == "de"
