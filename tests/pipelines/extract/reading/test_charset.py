"""Charsets: the declared one, the detected one, and the choice between them."""

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


def test_meta_counts_only_in_the_first_kilobyte() -> None:
    assert declared(b" " * 2000 + b"<meta charset=koi8-r>") is None


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
