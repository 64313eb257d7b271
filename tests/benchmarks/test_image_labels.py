"""Recall, precision and order of images; the labels are well formed."""

from benchmarks.image_labels import ImageScores, LabelledImage, LabelledPage, picture, read_labels, score

PAGE = LabelledPage(
    "1",
    (
        LabelledImage(("https://a.example/kite-flying-high.jpg",), "", "one two three"),
        LabelledImage(("https://a.example/harbour-at-night.jpg",), "one two three", "four five"),
    ),
    ("https://a.example/banner-of-the-site.jpg",),
)
KITE, HARBOUR = "https://cdn.example/kite-flying-high-300x200.jpg", "https://a.example/harbour-at-night.jpg"


def scores(*items: tuple[str, str]) -> ImageScores:
    found = ImageScores()
    score(PAGE, items, found)
    return found


def test_a_page_equal_to_its_labels_has_full_scores() -> None:
    found = scores(("image", KITE), ("text", "One, two: three!"), ("image", HARBOUR), ("text", "four five six"))
    assert (found.recall, found.precision, found.order, found.pairs) == (1.0, 1.0, 1.0, 4)


def test_missing_foreign_and_misplaced_images_lower_the_scores() -> None:
    found = scores(("text", "one two three"), ("image", KITE), ("image", "https://a.example/somebody-else.jpg"))
    assert (found.recall, found.precision, found.order) == (0.5, 0.5, 0.0)
    either = scores(("image", KITE), ("image", PAGE.either[0]))
    assert either.precision == 1.0


def test_renditions_of_a_picture_share_its_name() -> None:
    same = (
        "https://a.example/f/pictures/sunrise-over-bay-300x200.jpg",
        "https://a.example/_next/image?url=%2Ff%2Fpictures%2Fsunrise-over-bay.jpg&w=640",
        "https://cdn.example/w_300/https%3A%2F%2Fa.example%2Fpictures%2Fsunrise-over-bay.jpg",
    )
    assert {picture(url) for url in same} == {"sunrise-over-bay.jpg"}
    assert picture("https://a.example/learn/html/card_36.png") != picture("https://a.example/learn/css/card_36.png")


def test_the_labels_are_of_many_sites_and_name_their_addresses() -> None:
    labels = read_labels()
    assert len(labels) >= 40
    assert sum(len(page.images) for page in labels.values()) > 100
    assert all(url.startswith("http") for page in labels.values() for image in page.images for url in image.urls)
