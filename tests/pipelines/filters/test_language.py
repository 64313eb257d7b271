"""Languages by content, from several threads."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from corpusloom.pipelines.filters import language
from corpusloom.pipelines.filters.language import (
    PRIOR,
    SHORT,
    LanguageConfig,
    language_scores,
    measure_language,
    measure_short_language,
    rules,
)
from corpusloom.pipelines.filters.text.text_filter import Text, judge
from corpusloom.schemas.errors import ConfigError
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
    assert scores == {"language_score": 0.9, "language_match": 0.0, "language_share": 1.0}


def test_a_wanted_language_may_be_uncertain() -> None:
    scores = language_scores("en", 0.3, ("en",))
    assert decide(scores, rules(LANGUAGE)) == Rejected("language_uncertain", 0.3, 0.65)
    assert decide(scores, rules(LanguageConfig(languages=("en",)))) == Kept()


@pytest.mark.parametrize(
    ("blocks", "languages", "share"),
    [
        (["en", "en"], ("en",), 1.0),
        (["en", "de"], ("en",), 97 / 203),
        (["en", "de"], ("de",), 106 / 203),
        (["en", "de"], ("en", "de"), 1.0),
        (["en", "de"], (), 106 / 203),  # of the page's own language, which is German here
        (["ja", "en"], ("en",), 97 / 133),
        (["ru", "ru"], ("en",), 0.0),
    ],
)
def test_the_share_of_characters_in_wanted_languages_is_measured(
    blocks: list[str], languages: tuple[str, ...], share: float
) -> None:
    text = Text("\n\n".join(TEXTS[code] for code in blocks), language=("de", 0.9))
    scores = language.measure(text, LanguageConfig(languages=languages))
    assert scores["language_share"] == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "Menu\n\nHome\n\nContact us", "x" * 39, "1234567890 " * 20, "\ud800" * 50])
def test_a_text_whose_language_cannot_be_told_has_no_share(text: str) -> None:
    assert language.measure_share(text, ("en",)) is None
    for code in ("en", "de"):
        scores = language.measure(Text(text, language=(code, 0.9)), LanguageConfig(languages=("en",)))
        assert scores["language_share"] == float(code == "en")


def test_half_of_a_long_page_in_another_language_is_seen_wherever_it_stands() -> None:
    long = {code: "\n\n".join(f"{TEXTS[code]} {number}." for number in range(40)) for code in ("en", "de")}
    between = f"{long['en']}\n\n{long['de']}\n\n{long['en']}"
    assert language.measure_share(between, ("en",)) == pytest.approx(0.64, abs=0.02)
    assert measure_language(between)[0] == "de"  # of three samples one is German, and the model is surest of it


def test_a_block_may_change_its_language_midway() -> None:
    block = f"{TEXTS['en']} " * 12 + f"{TEXTS['de']} " * 12
    assert language.measure_share(block, ("en",)) == pytest.approx(0.48, abs=0.1)
    lines = "\n".join([TEXTS["en"]] * 12 + [TEXTS["fr"]] * 12)
    assert language.measure_share(lines, ("en",)) == pytest.approx(0.48, abs=0.1)


def test_a_mixed_page_is_rejected_below_the_share() -> None:
    text = Text("\n\n".join([TEXTS["en"]] * 3 + [TEXTS["de"]]), language=("en", 0.9))
    strict, lax = (LanguageConfig(languages=("en",), min_language_share=share) for share in (0.8, 0.7))
    assert decide(language.measure(text, strict), rules(strict)) == Rejected("mixed_languages", 291 / 397, 0.8)
    assert decide(language.measure(text, lax), rules(lax)) == Kept()


def test_a_long_page_is_examined_whole_only_if_a_look_finds_another_language(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    detect = language._detect
    monkeypatch.setattr(language, "_detect", lambda line: looks.append(line) or detect(line))
    english = [f"{TEXTS['en']} {number}." for number in range(100)]
    assert language.measure_share("\n\n".join(english), ("en",)) == 1.0
    assert len(looks) == language.LOOKS
    looks.clear()
    for start in range(0, 91, 7):  # a tenth of the page, wherever it stands
        mixed = [*english[:start], *[TEXTS["de"]] * 10, *english[start + 10 :]]
        assert language.measure_share("\n\n".join(mixed), ("en",)) == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        (TEXTS["en"], False),
        (TEXTS["de"], True),
        (f"{TEXTS['en']} " * 9 + f"{TEXTS['de']} " * 3, False),
        (f"{TEXTS['en']} " * 3 + f"{TEXTS['de']} " * 9, True),
        ("Zum Inhalt", False),
        ("", False),
    ],
)
def test_a_block_is_foreign_by_most_of_its_characters(text: str, foreign: bool) -> None:
    assert language.is_foreign(text, ("en",)) is foreign


def test_foreign_blocks_cannot_be_dropped_without_wanted_languages() -> None:
    with pytest.raises(ConfigError, match=r"drop_foreign_blocks without languages.*filters\.language\.languages"):
        LanguageConfig(drop_foreign_blocks=True)


def test_threads_agree_with_one_thread() -> None:
    texts = [f"{text} {number}" for number in range(10) for text in TEXTS.values()]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(measure_language, texts)) == [measure_language(text) for text in texts]


def test_a_long_text_is_sampled_over_its_length() -> None:
    mixed = (TEXTS["en"] + " ") * 10 + (TEXTS["de"] + " ") * 100
    assert measure_language(mixed)[0] == "de"


SHORT_NAMES = {
    "de": "Lachendes Gesicht",
    "sv": "Gul cirkel",
    "da": "Gul cirkel",
    "nl": "Gele stip",
    "it": "Volto triste",
}


@pytest.mark.parametrize("code", SHORT_NAMES)
def test_a_short_text_is_read_in_the_language_of_its_page(code: str) -> None:
    assert measure_short_language(SHORT_NAMES[code], code)[0] == code


def test_the_language_of_the_page_counts_as_a_prior_probability() -> None:
    text, (code, alone) = "Gul cirkel", measure_language("Gul cirkel")
    own = measure_short_language(text, code)
    assert own == (code, pytest.approx(PRIOR * alone / (1 + (PRIOR - 1) * alone), abs=0.02))
    assert measure_short_language(text, None) == (code, alone)
    assert measure_short_language("the cat sat on the mat and looked at us", "de")[0] == "en"


def test_the_script_of_a_short_text_decides_and_a_long_text_needs_no_page() -> None:
    assert measure_short_language("カメラ", "en") == ("ja", 1.0)
    assert measure_short_language("12 !", "en") == ("und", 0.0)
    assert len(TEXTS["en"].replace(" ", "")) >= SHORT
    assert measure_short_language(TEXTS["en"], "de") == measure_language(TEXTS["en"])


def test_another_way_of_short_texts_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"short_texts is 'site'.*content or page"):
        LanguageConfig(short_texts="site")
