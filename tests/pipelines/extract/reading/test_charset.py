"""Charsets: the declared one, the detected one, and the choice between them."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.extract.reading.charset import codec_of, declared, to_utf8


def decode(html: bytes, content_type: str | None = None) -> tuple[str, str]:
    """Return (text, codec name)."""
    source, codec = to_utf8(html, content_type)
    return source.decode("utf-8"), codec


@pytest.mark.parametrize(
    ("html", "content_type", "text", "codec"),
    [
        ("\ufeffé".encode(), "text/html; charset=iso-8859-1", "é", "utf-8"),
        ("é".encode("utf-16-le").join((b"\xff\xfe", b"")), None, "é", "utf-16-le"),
        (b"<meta charset=shift_jis>" + "日本".encode("cp932"), None, "<meta charset=shift_jis>日本", "cp932"),
        ("日本".encode("euc-jp"), "text/html; charset=EUC-JP", "日本", "euc_jp"),
        (b"caf\xe9", "text/html; charset=ISO-8859-1", "café", "cp1252"),
        (b"\x93quoted\x94", "text/html; charset=latin-1", "“quoted”", "cp1252"),
        ("привет".encode("koi8-r"), "text/html; charset=koi8-r", "привет", "koi8-r"),
        ("żółć".encode(), "text/html; charset=iso-8859-1", "żółć", "utf-8"),
        (b"plain", None, "plain", "utf-8"),
        (b"plain", "text/html; charset=no-such", "plain", "utf-8"),
        (b"<meta http-equiv=x content='text/html; charset=windows-1251'>\xcc", None, None, "cp1251"),
        ("mostly ünï".encode() + b" with one \xff broken byte" + "é".encode() * 20, None, None, "utf-8"),
        ("é".encode() * 30 + b"\xe9", "text/html; charset=utf-8", "é" * 30 + "\ufffd", "utf-8"),
        (b"<meta charset=utf-16>plain", None, "<meta charset=utf-16>plain", "utf-8"),
    ],
)
def test_each_page_is_decoded_with_its_charset(
    html: bytes, content_type: str | None, text: str | None, codec: str
) -> None:
    found, name = decode(html, content_type)
    assert name == codec
    assert text is None or found == text


def test_russian_bytes_without_a_label_are_detected() -> None:
    text = "Ветряная мельница построена в тысяча восемьсот тридцатом году и работает до сих пор. " * 5
    assert decode(text.encode("cp1251"))[0] == text


def test_a_label_that_is_mostly_wrong_is_set_aside() -> None:
    text = "Ветряная мельница построена в тысяча восемьсот тридцатом году и работает до сих пор. " * 5
    assert decode(text.encode("cp1251"), "text/html; charset=utf-8")[0] == text


XML = b'<?xml version="1.0" encoding="windows-1251"?>'
META = b"<meta charset=koi8-r>"
FAR = b"<!--" + b" " * 2000 + b"-->"
UTF_16 = '<?xml version="1.0" encoding="UTF-16"?><p>café'


@pytest.mark.parametrize(
    ("html", "content_type", "codec"),
    [
        (META, "text/html; charset=Big5", "big5hkscs"),
        (META, "text/html; charset='windows-1250'", "cp1250"),
        (META, "text/html; charset=no-such", "koi8-r"),
        (XML, "application/xhtml+xml", "cp1251"),
        (XML, "text/html", "cp1251"),
        (XML.replace(b'"', b"'").replace(b" v", b"\n\tv"), None, "cp1251"),
        (b"\n " + XML, None, "cp1251"),
        (XML + META, "text/html", "koi8-r"),
        (XML + META, "application/xhtml+xml", "cp1251"),
        (XML + FAR + META, "text/html", "cp1251"),
        (XML.replace(b"windows-1251", b"utf-16") + b"<p>", None, "utf-8"),
        (b'<?xml version="1.0"?><p encoding="koi8-r">', None, None),
        (b"<p>" + XML, None, None),
        (UTF_16.encode("utf-16-le"), None, "utf-16-le"),
        (UTF_16.encode("utf-16-be"), None, "utf-16-be"),
        (b"<p>", "text/html; charset=utf-16", None),
        (META, "text/html; charset=unicode", "koi8-r"),
        ("<p>".encode("utf-16-be"), "text/html; charset=utf-16be", "utf-16-be"),
        (FAR + META, None, "koi8-r"),
        (b"<script>" + b"x" * 2000 + b"</script>" + META, None, "koi8-r"),
        (b"<script>'" + META + b"'</script><META CHARSET = 'Windows-1257' />", None, "cp1257"),
        (b"<style>/*" + META + b"*/</style>", None, None),
        (b"<script>" + META, None, None),
        (b"<!-- " + META + b" --><meta charset=iso-8859-2>", None, "iso8859-2"),
        (b"<!--" + META, None, None),
        (b"<!-->" + META, None, "koi8-r"),
        (b"<meta charset=no-such>" + META, None, "koi8-r"),
        (b"<meta charset=koi8-r/>", None, "koi8-r"),
        (b'<meta content="text/html; charset=iso-8859-7" http-equiv=content-type>', None, "iso8859-7"),
        (b'<meta name=description content="how charset=koi8-r works">', None, None),
        (b"<meta charset=koi8-r charset=utf-8>", None, "koi8-r"),
        (b'<meta title="a > b" charset=koi8-r>', None, "koi8-r"),
        (b"<metadata charset=koi8-r>", None, None),
        (b"<meta", None, None),
    ],
)
def test_the_first_declaration_that_names_a_charset_counts(
    html: bytes, content_type: str | None, codec: str | None
) -> None:
    assert declared(html, content_type) == codec


STANDARD = """
utf-8 unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8
cp866 866 cp866 csibm866 ibm866
iso-8859-2 csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2
iso-8859-3 csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3
iso-8859-4 csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4
iso-8859-5 csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988
iso-8859-6 arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 iso-8859-6-e iso-8859-6-i
    iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987
iso-8859-7 csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7 iso88597 iso_8859-7
    iso_8859-7:1987 sun_eu_greek
iso-8859-8 csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso8859-8 iso88598 iso_8859-8
    iso_8859-8:1988 visual
iso-8859-8 csiso88598i iso-8859-8-i logical
iso-8859-10 csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6
iso-8859-13 iso-8859-13 iso8859-13 iso885913
iso-8859-14 iso-8859-14 iso8859-14 iso885914
iso-8859-15 csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9
iso-8859-16 iso-8859-16
koi8-r cskoi8r koi koi8 koi8-r koi8_r
koi8-u koi8-ru koi8-u
mac-roman csmacintosh mac macintosh x-mac-roman
cp874 dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874
cp1250 cp1250 windows-1250 x-cp1250
cp1251 cp1251 windows-1251 x-cp1251
cp1252 ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1
    iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252
cp1253 cp1253 windows-1253 x-cp1253
cp1254 cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 latin5 windows-1254
    x-cp1254
cp1255 cp1255 windows-1255 x-cp1255
cp1256 cp1256 windows-1256 x-cp1256
cp1257 cp1257 windows-1257 x-cp1257
cp1258 cp1258 windows-1258 x-cp1258
mac-cyrillic x-mac-cyrillic x-mac-ukrainian
gb18030 chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk gb18030
big5hkscs big5 big5-hkscs cn-big5 csbig5 x-x-big5
euc_jp cseucpkdfmtjapanese euc-jp x-euc-jp
iso2022_jp csiso2022jp iso-2022-jp
cp932 csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis
cp949 cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 windows-949
utf-16-be unicodefffe utf-16be
utf-16-le csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le
"""
"""Codec, then the labels that the Encoding standard (section 4.2) gives to its encoding."""


@pytest.mark.parametrize("line", STANDARD.strip().replace("\n    ", " ").split("\n"), ids=lambda line: line.split()[0])
def test_each_label_of_the_encoding_standard_leads_to_its_codec(line: str) -> None:
    codec, *labels = line.split()
    expected = codecs.lookup(codec).name
    assert {label: codec_of(label) for label in labels} == dict.fromkeys(labels, expected)
    assert {label: codec_of(f"\t{label.upper()} ") for label in labels} == dict.fromkeys(labels, expected)


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("x-user-defined", "cp1252"),  # so in a meta element; the private characters that a header means are no text
        ("hz-gb-2312", "hz"),  # the standard refuses it and the next one, because of scripts, which do not run here
        ("iso-2022-kr", "iso2022_kr"),
        ("iso-2022-cn", None),
        ("latin-1", "cp1252"),
        ("cp437", "cp437"),
        ("no-such", None),
    ],
)
def test_labels_beside_the_standard(label: str, codec: str | None) -> None:
    assert codec_of(label) == codec


TEXTS = {
    "cp1252": "Über den Fluß führt eine Brücke; «À L'ÉTÉ» stand dort, café, naïve, señor.",
    "iso8859-2": "Zażółć gęślą jaźń, Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "cp1251": "Утром в гавани было тихо, и рыбаки «чинили» сети № 5.",
    "cp1253": "Το πρωί το λιμάνι ήταν ήσυχο και οι ψαράδες έφτιαχναν δίχτυα.",
    "cp1254": "Şehrin küçük limanı sabahleyin ıssızdı; balıkçılar ağlarını onarıyordu.",
    "cp1255": "בבוקר היה הנמל שקט והדייגים תיקנו את הרשתות.",
    "cp1256": "كان المرفأ هادئا في الصباح وكان الصيادون يصلحون شباكهم.",
    "cp874": "ท่าเรือเงียบสงบในตอนเช้าและชาวประมงกำลังซ่อมอวน",
    "cp866": "Утром в гавани было тихо, и рыбаки чинили сети.",
    "koi8-r": "Утром в гавани было тихо, и рыбаки чинили сети.",
    "cp932": "港の朝は静かで、漁師たちは網を直していました。",
    "euc_jp": "港の朝は静かで、漁師たちは網を直していました。",
    "iso2022_jp": "港の朝は静かで、漁師たちは網を直していました。",
    "gb18030": "小镇的港口早晨很安静，渔民们在修补渔网。",
    "big5hkscs": "小鎮的港口早晨很安靜，漁民們在修補漁網。",
    "cp949": "작은 마을의 항구는 아침에 조용했고 어부들은 그물을 고치고 있었다.",
}


@pytest.mark.parametrize("codec", TEXTS)
@pytest.mark.parametrize("place", ["header", "meta", "late meta", "xml"])
def test_a_declared_charset_is_used_wherever_it_is_declared(codec: str, place: str) -> None:
    text, label = TEXTS[codec], codec.replace("iso2022_jp", "iso-2022-jp")
    head = {"meta": f"<meta charset={label}>", "xml": f'<?xml version="1.0" encoding="{label}"?>'}.get(place, "")
    head = f"<!--{' ' * 1100}--><meta charset={label}>" if place == "late meta" else head
    content_type = f"text/html; charset={label}" if place == "header" else None
    assert decode(f"{head}<p>{text}".encode(codec), content_type) == (f"{head}<p>{text}", codec)


@pytest.mark.parametrize("label", [*TEXTS, "iso-8859-1", "utf-8"])
@pytest.mark.parametrize("text", [TEXTS["cp1252"], TEXTS["cp1251"], TEXTS["gb18030"]])
def test_utf_8_with_one_stray_byte_stays_utf_8_whatever_is_declared(label: str, text: str) -> None:
    html = f"<p>{text}</p>".encode() + b"<p>\x92</p>"
    assert decode(html, f"text/html; charset={label}") == (f"<p>{text}</p><p>\ufffd</p>", "utf-8")


def test_codecs_that_are_no_charset_are_refused() -> None:
    assert [codec_of(label) for label in ("rot13", "base64", "punycode", "unicode_escape", "idna", "", "x\x00y")] == [
        None
    ] * 7


@given(
    st.binary(max_size=300),
    st.sampled_from([None, *(f"a; charset={c}" for c in ("utf-16", "hz", "big5", "iso-2022-jp", "utf-7"))]),
)
def test_every_byte_string_decodes(html: bytes, content_type: str | None) -> None:
    text, codec = decode(html, content_type)
    assert isinstance(text, str)
    assert codec


@given(
    st.lists(st.sampled_from([b"<meta ", b"charset", b"=", b'"', b"'", b">", b"<!--", b"-->", b"<script>", b"koi8-r"]))
)
def test_the_search_for_a_declaration_ends(pieces: list[bytes]) -> None:
    assert declared(b"".join(pieces)) in (None, "koi8-r")
