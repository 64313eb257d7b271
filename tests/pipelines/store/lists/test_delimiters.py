"""Delimiters and headers of lists, by their first lines."""

import pytest

from corpusloom.pipelines.store.lists.delimiters import check_header, guess_delimiter, split
from corpusloom.schemas.errors import InputError


@pytest.mark.parametrize(
    ("first", "wanted", "named", "delimiter"),
    [
        ("url,caption", ("url", "caption"), 0, ","),
        ("url;a,b;caption", ("url", "caption"), 0, ";"),
        ("url\tcaption, as written", ("url",), 0, "\t"),
        ("link|text|n", ("url",), 0, "|"),
        ("url", ("url",), 0, ","),
        ("a cat, black; http://a/1.jpg", ("url",), 2, ","),
        ("a cat, black, old; http://a/1.jpg", ("url",), 2, ";"),
        ("http://a/1,2.jpg", ("url",), 1, "\t"),
        ("", ("url",), 0, ","),
    ],
)
def test_a_delimiter_is_guessed(first: str, wanted: tuple[str, ...], named: int, delimiter: str) -> None:
    assert guess_delimiter(first, wanted, named) == delimiter


def test_cells_are_split_without_blanks_and_wrong_quotes_give_none() -> None:
    assert split('a , "b, c"', ",") == ["a", '"b', 'c"']
    assert split('a,"b, c"', ",") == ["a", "b, c"]
    assert split('a,"b" c', ",") == []


@pytest.mark.parametrize(
    ("header", "texts", "names"),
    [
        (["a cat on a mat", "http://a/1.jpg"], ("url", "caption"), "caption url"),
        (["http://a/1.jpg"], ("URL",), "URL"),
        (["7", "https://a/1.jpg", "a cat", "0.3"], ("url", "text"), "column1 url text column4"),
    ],
)
def test_a_row_in_place_of_a_header_is_refused_with_names(
    header: list[str], texts: tuple[str, ...], names: str
) -> None:
    with pytest.raises(InputError, match=f"--column-names {names}\\)"):
        check_header("a.tsv", header, texts)


def test_a_header_with_the_columns_or_without_a_url_passes() -> None:
    check_header("a.csv", ["url", "http://a/"], ("url",))
    check_header("a.csv", ["link", "text"], ("url",))
