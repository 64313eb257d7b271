"""Texts of a wrong encoding are repaired; texts of 30 languages are left as they are."""

import ftfy
import pytest

from corpusloom.pipelines.extract.mojibake import ENCODINGS, repair_encoding

CORRECT = {
    "bg": "Стара лодка край реката, „ВИЖ“ ѝ",
    "ca": "L’àvia collí la poma d’or i cel·la",
    "cs": "Žluťoučký kůň úpěl ďábelské ódy",
    "cy": "Tŷ gwyn ger yr afon, ŵyl fawr",
    "da": "Røde æbler på Ærø – «gårdens» ål",
    "de": "Großes Öl-Fass für Übung, „Ärger“ GROẞ",
    "el": "Ένα παλιό καΐκι στο λιμάνι, ΆΡΤΑ",
    "en": "A naïve café – “rôle” of the façade",
    "es": "¿Dónde está el niño? ¡AQUÍ, CAÑÓN!",
    "et": "Õunapuu all öösel, ÜLO ja Žanna",
    "fi": "Äiti söi pöydässä, Åbo",
    "fr": "L’été à la plage : « oui » À ÉVREUX, Œuvre",
    "ga": "Bhí an cat ar an mbord, ÁIT ÉIGIN",
    "he": "חתול שחור על השולחן – „כן”",
    "hi": "लाल साइकिल पुरानी दीवार के पास",
    "hr": "Ćevapčići i šljivovica, ĐURĐA",
    "hu": "Árvíztűrő tükörfúrógép, ŐRÜLT",
    "is": "Þórður á Ísafirði, ÆGIR",
    "it": "Perché la città è così? PERCHÉ È",
    "ja": "赤い自転車が古い壁のそばに「立つ」",
    "ko": "오래된 벽 옆의 빨간 자전거",
    "lt": "Ąžuolas prie ežero, ŽĄSIS",
    "lv": "Ķēniņa pils pie jūras, ŅEMT ĀBOLU",
    "nl": "Één reünie, ’s ochtends, CAFÉ À LA CRÈME",
    "pl": "Zażółć gęślą jaźń, ŁÓDŹ „tak”",
    "pt": "NÃO É SÃO PAULO, coração à mão Ã",
    "ro": "Mămăligă și țuică, ÎNĂLȚIME „da”",
    "ru": "Это моё «её» дом, ЁЛКА В ЛЕСУ",
    "sk": "Ľubka a kôň, ŇUFÁK",
    "sv": "Ålen i sjön, ÖRNSKÖLDSVIK À la",
    "th": "จักรยานสีแดงข้างกำแพง",
    "tr": "ÇOK GÜZEL ŞEHİR, ığdır",
    "uk": "Їжак і ґудзик, ЄВРОПА",
    "vi": "Con đường cũ bên bờ sông, ĐÔNG À",
    "zh": "红色的自行车靠在旧墙边",
}


@pytest.mark.parametrize("language", sorted(CORRECT))
def test_a_correct_text_stays(language: str) -> None:
    assert repair_encoding(CORRECT[language]) == CORRECT[language]


@pytest.mark.parametrize(
    ("broken", "right"),
    [
        ("cafÃ© au lait", "café au lait"),
        ("It\u00e2\u20ac\u2122s a boat", "It\u2019s a boat"),
        ("voilÃ le travail", "voilà le travail"),
        ("don\x92t", "don\u2019t"),
        ("РєРѕС€РєР° РЅР° РґРёРІР°РЅРµ", "кошка на диване"),
        ("ÃƒÂ©cole", "école"),
        ("ðŸ˜€ happy", "\U0001f600 happy"),
    ],
)
def test_a_broken_text_is_repaired(broken: str, right: str) -> None:
    assert repair_encoding(broken) == right


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("blanks", [False, True])
def test_every_text_that_ftfy_would_repair_is_given_to_it(encoding: str, blanks: bool) -> None:
    for text in CORRECT.values():
        broken = "".join(
            bytes((byte,)).decode(encoding, "ignore") or chr(byte) for byte in text.encode()
        )  # as browsers read bytes that the encoding does not define
        broken = broken.replace("\xa0", " ") if blanks else broken
        assert repair_encoding(broken) == ftfy.fix_encoding(broken)
