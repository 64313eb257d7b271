"""Members become samples by their names, side by side or not, with dots in their keys or not."""

from collections import Counter

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.stream.foreign.grouping import NAMELESS, group_members, is_named, split_name
from corpusloom.trainers.stream.foreign.headers import Header


def grouped(*names: str) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Return key -> fields, and the counts of what is not read."""
    ignored: Counter[str] = Counter()
    samples = group_members([Header(name, at, 1) for at, name in enumerate(names)], "a.tar", ignored)
    for key, fields in samples.items():
        for field, header in fields.items():
            assert is_named(header.name, key, field)
            assert is_named(header.name, f"prefix/{key}", field)
            assert not is_named(header.name, f"{key}x", field)
    return {key: sorted(fields) for key, fields in samples.items()}, dict(ignored)


@pytest.mark.parametrize(
    ("names", "samples"),
    [
        (["1.jpg", "1.txt", "2.jpg"], {"1": ["jpg", "txt"], "2": ["jpg"]}),
        (["a/1.JPEG", "a/1.TXT"], {"a/1": ["jpg", "txt"]}),
        (["k.000.jpg", "k.001.png", "k.json"], {"k": ["000.jpg", "001.png", "json"]}),
        (["k.0.jpg", "k.1.jpg"], {"k": ["0.jpg", "1.jpg"]}),
        (["k.jpg", "k.txt", "k.regions.npz"], {"k": ["jpg", "regions.npz", "txt"]}),
        (["img.v1.jpg", "img.v2.jpg"], {"img": ["v1.jpg", "v2.jpg"]}),
        (["k.left.jpg", "k.left.json", "k.txt"], {"k": ["left.jpg", "left.json", "txt"]}),
        (["d.0.jpg", "d.0.txt", "d.json"], {"d": ["0.jpg", "0.txt", "json"]}),
        # members that are not side by side
        (["1.jpg", "2.jpg", "1.txt", "2.txt"], {"1": ["jpg", "txt"], "2": ["jpg", "txt"]}),
        (["1.txt", "x.jpg", "1.json", "1.jpg"], {"1": ["jpg", "json", "txt"], "x": ["jpg"]}),
        # keys with dots
        (["T 0.0 (A).jpg", "T 0.0 (A).txt", "T 1.0 (B).jpg", "T 1.0 (B).txt"],
         {"T 0.0 (A)": ["jpg", "txt"], "T 1.0 (B)": ["jpg", "txt"]}),
        (["v1.5.jpg", "v1.5.txt"], {"v1.5": ["jpg", "txt"]}),
        (["a.b.c.jpeg", "a.b.c.json", "a.b.d.png", "a.b.d.txt"], {"a.b.c": ["jpg", "json"], "a.b.d": ["png", "txt"]}),
        (["x.y/p.html.0.jpg", "x.y/p.html.1.jpg", "x.y/p.html.json"], {"x.y/p.html": ["0.jpg", "1.jpg", "json"]}),
        (["p.a.0.jpg", "p.a.json", "p.b.0.jpg", "p.b.json"], {"p.a": ["0.jpg", "json"], "p.b": ["0.jpg", "json"]}),
        (["a.b.jpg", "a.b.regions.npz", "a.b.txt"], {"a.b": ["jpg", "regions.npz", "txt"]}),
        (["photo.jpg", "photo.txt", "photo.v2.jpg", "photo.v2.txt"],
         {"photo": ["jpg", "txt"], "photo.v2": ["jpg", "txt"]}),
        (["s.1.jpg", "s.1.txt", "s.2.jpg", "s.2.txt"], {"s.1": ["jpg", "txt"], "s.2": ["jpg", "txt"]}),
    ],
)  # fmt: skip
def test_members_are_grouped(names: list[str], samples: dict[str, list[str]]) -> None:
    assert grouped(*names) == (samples, {})


def test_what_is_not_read_is_counted() -> None:
    assert grouped("1.jpg", "1.JPEG", "1.pickle", "README", "._1.jpg", "__index__.json", "d/.hidden")[1] == {
        "pickle": 1, NAMELESS: 4, "repeated jpg": 1,
    }  # fmt: skip


def test_a_key_that_comes_again_is_an_error_with_advice() -> None:
    with pytest.raises(InputError, match=r"key 1 occurs twice: 1\.jpg comes again \(unpack the tar and pack it again"):
        grouped("1.jpg", "1.txt", "2.jpg", "1.jpg")


@pytest.mark.parametrize(
    ("name", "parts"),
    [("a/b.0.JPG", ("a/b", "0.jpg")), ("b.jpg", ("b", "jpg")), ("a.b/c.txt", ("a.b/c", "txt")), ("plain", None),
     ("a/.b.jpg", None), ("__x__.jpg", None)],
)  # fmt: skip
def test_a_name_is_split_as_in_webdataset(name: str, parts: tuple[str, str] | None) -> None:
    assert split_name(name) == parts
