"""Addresses that lazy loaders keep in attributes: told by their values, ordered by their names."""

import pytest

from corpusloom.pipelines.extract.reading.lazy_attributes import addresses, named_srcsets, unnamed_srcsets

FILE = "/uploads/harbour-1200.jpg"
SET = "/u/h-300.jpg 300w, /u/h-1200.jpg 1200w"


def found(attributes: dict[str, str]) -> list[str]:
    """Return the names of the attributes that hold an address, in order."""
    return [name for _value, name in addresses(attributes, 2048)]


NAMES = """data-src data-baseurl data-cfsrc data-ezsrc data-actualsrc data-large_image nitro-lazy-src data-orig
    data-flickity-lazyload data-zoom-image data-media data-bp data-pin-media data-x data-deferred loadlater ng:src"""


@pytest.mark.parametrize("name", NAMES.split())
@pytest.mark.parametrize(
    "value",
    [
        FILE,
        "https://cdn.example/a.jpg",
        "//cdn.example/a.WEBP?w=1200#x",
        "../img/a.png",
        "img/a.avif",
        "https://cdn.example/a.jpg/fit/1200",
        "/f?file=a.jpeg&x=1",
        "/uploads/two words.jpg",
        " /a.gif\n",
    ],
)
def test_an_image_file_is_an_address_under_any_name(name: str, value: str) -> None:
    assert list(addresses({"src": "x.gif", name: value}, 2048)) == [(value.strip(), name)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("data-cfsrc", "/image/12345"),
        ("data-lazy-img", "https://cdn.example/image?id=12"),
        ("data-photo", "//cdn.example/12"),
        ("data-src", "photo.php"),
    ],
)
def test_a_url_without_a_file_is_an_address_under_a_name_that_speaks_of_images(name: str, value: str) -> None:
    assert found({name: value}) == [name]


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("url(/a.jpg)", "/a.jpg"),
        ("url('https://a.example/a.jpg?x=1')", "https://a.example/a.jpg?x=1"),
        ('url( "/a.jpg" )', "/a.jpg"),
        ('{"src": "\\/img\\/a.jpg", "alt": "b.jpg"}', "/img/a.jpg"),
        ('{"thumb": "/t.jpg", "large": "/a.jpg"}', "/a.jpg"),
        ('{"600": "/s.jpg", "1200": "/a.jpg", "4000": "/l.jpg"}', "/a.jpg"),
        ('[{"src": "/s.jpg", "w": 600}, {"src": "/a.jpg", "w": 1200}]', "/a.jpg"),
        ('[{"url": "/a.jpg", "width": 5000}]', "/a.jpg"),
    ],
)
def test_an_address_may_stand_in_css_or_json(value: str, address: str) -> None:
    assert list(addresses({"data-x": value}, 2048)) == [(address, "data-x")]


@pytest.mark.parametrize("value", ["[" * 30_000, '{"a": "/b.jpg"', '{"a": "b.jpg"}', '{"a": 1, "w": 0}', "{}", "url()"])
def test_json_without_an_address_is_none(value: str) -> None:
    assert found({"data-x": value}) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alt", "/harbour.jpg"),
        ("data-title", "harbour.jpg"),
        ("data-image-caption", "img/a.jpg"),
        ("data-x", "harbour.jpg"),
        ("data-x", "The harbour, see /a.jpg"),
        ("data-href", "/gallery/a.jpg"),
        ("data-image-link", "/page"),
        ("data-pin-url", "https://site.example/page"),
        ("data-lazy", "true"),
        ("data-src", "12345"),
        ("data-image-id", "12345"),
        ("data-src", "{{ image.jpg }}"),
        ("data-image-meta", '{"file": "/a.jpg"}'),
        ("data-images", "[/a.jpg, small]"),
        ("data-x", "/video.mp4"),
        ("data-x", "data:image/gif;base64,R0lGOD"),
        ("src", FILE),
        ("class", "img/a.jpg"),
        ("on'x", FILE),
        ("x" * 65, FILE),
        ("data-x", ""),
    ],
)
def test_another_value_is_no_address(name: str, value: str) -> None:
    assert found({name: value}) == []


def test_common_names_come_first_and_names_of_smaller_images_last() -> None:
    names = ["data-thumb", "data-lazy-ref", "data-full", "data-hover-image", "data-original", "data-src"]
    values = dict.fromkeys(names, FILE) | {"data-lazy-ref": "/image/1"}
    assert found(values) == [
        "data-src", "data-original", "data-full", "data-thumb", "data-hover-image", "data-lazy-ref"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("widths", "width"), [("[180, 540, 1080, 4000]", "1080"), ("[4000]", "1024"), ("", "1024"), ("x" * 9999, "1024")]
)
def test_the_width_of_a_template_is_filled_in(widths: str, width: str) -> None:
    attributes = {"data-src": "//cdn.example/a_{width}x.jpg", "data-widths": widths}
    assert list(addresses(attributes, 2048)) == [(f"//cdn.example/a_{width}x.jpg", "data-src")]


@pytest.mark.parametrize("name", ["srcset", "data-srcset", "data-cfsrcset", "nitro-lazy-srcset", "data-x-lazy-srcset"])
def test_a_srcset_is_found_by_that_word_in_the_name(name: str) -> None:
    assert list(named_srcsets({"alt": "x", name: SET})) == [(SET, name)]
    assert list(unnamed_srcsets({"alt": "x", name: SET})) == []


@pytest.mark.parametrize("name", ["data-src-set", "data-original-set", "lazy", "data-bp"])
@pytest.mark.parametrize("value", [SET, "/a.jpg 2x", "a.jpg 1.5x, b.jpg 3x", "https://a.example/1 640w"])
def test_a_srcset_with_widths_is_found_under_any_name(name: str, value: str) -> None:
    assert list(unnamed_srcsets({name: value})) == [(value, name)]


@pytest.mark.parametrize(
    ("name", "value"),
    [("sizes", "(max-width: 640px) 100vw, 50vw"), ("data-x", "some words"), ("alt", "lens 35w"), ("data-x", FILE)],
)
def test_another_value_is_no_srcset(name: str, value: str) -> None:
    assert list(unnamed_srcsets({name: value})) == []


def test_srcsets_have_an_order_and_a_flag_is_none() -> None:
    attributes = {"data-x-srcset": SET, "data-srcset": SET, "srcset": "a.jpg", "data-srcset-loaded": "true"}
    assert [name for _value, name in named_srcsets(attributes)] == ["srcset", "data-srcset", "data-x-srcset"]
