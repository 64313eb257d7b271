"""The bundled world: enough hosts, pages and pictures, varied texts, few similar pictures, the same bytes each time."""

import itertools
import re

import numpy as np
import pytest

from benchmarks.near_duplicates import jaccard
from corpusloom.pipelines.dedup.image_hashes import ImageHashes, TwinConfig, colour_distance, hamming, hash_image
from corpusloom.pipelines.dedup.minhash import shingles
from corpusloom.pipelines.demo import drawing, grammar, sites
from corpusloom.pipelines.demo.resources import World
from corpusloom.pipelines.extract.extractor import extract
from corpusloom.pipelines.extract.reading.types import Extracted
from corpusloom.pipelines.recipes.deciding import select_rules
from corpusloom.pipelines.recipes.measuring import measure_page, page_text
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.schemas.records import Page
from corpusloom.schemas.verdicts import Kept, decide


@pytest.fixture(scope="module")
def world() -> World:
    """Return the whole world."""
    return sites.build_world()


def good_texts(world: World) -> list[tuple[str, Extracted]]:
    """Return path and extraction of each good page of the eight hosts and the exam."""
    found = []
    for page in world.pages:
        if page.kind == "good" and not page.host.startswith("attic"):
            made = extract(world.resources[page.host, page.path].body, f"http://{page.host}:8765{page.path}")
            assert isinstance(made, Extracted)
            assert sum(block.image is not None for block in made.blocks) == len(page.labels)
            found.append((f"{page.host}{page.path}", made))
    return found


def test_there_is_enough_of_everything(world: World) -> None:
    pictures = {path for _, path in world.resources if path.startswith("/pictures/") and "?" not in path}
    assert len(world.hosts) >= 6
    assert sum(page.kind == "good" for page in world.pages) >= 150
    assert len(pictures) >= 1_000
    assert len(drawing.classes()) >= 50
    labels = [label for page in world.pages if not page.host.startswith("exam") for label in page.labels]
    assert min(labels.count(name) for name in drawing.classes()) >= 10
    assert not {f"{colour} {shape}" for colour, shape in drawing.UNSEEN} & set(labels)


def test_good_pages_survive_the_filters_and_differ(world: World) -> None:
    recipe = load_recipe("m3w")
    sets = []
    for name, made in good_texts(world):
        text = page_text(made.blocks)
        page = Page(key="", url=name, canonical_url=name, fetched_at="", blocks=made.blocks)
        assert decide(measure_page(page, recipe), select_rules(recipe)) == Kept(), name
        assert 60 <= len(text.split()) <= 400, name
        sets.append(shingles(text))
    assert max(jaccard(a, b) for a, b in itertools.combinations(sets, 2)) < 0.5


def look_alike(first: ImageHashes, second: ImageHashes) -> bool:
    """Say whether two images are near in dHash, in pHash and in every cell's colour."""
    most = TwinConfig()
    return (
        hamming(first.dhash, second.dhash) <= most.max_dhash_distance
        and hamming(first.phash, second.phash) <= most.max_phash_distance
        and colour_distance(first.grid, second.grid) <= most.max_colour_distance
    )


def test_pictures_rarely_look_alike() -> None:
    labels = sites.shuffled_labels(220)
    hashes = [hash_image(drawing.draw(drawing.make_picture(label, seed))) for seed, label in enumerate(labels)]
    twins = sum(any(look_alike(hashes[i], hashes[j]) for j in range(i)) for i in range(len(hashes)))
    assert twins <= len(hashes) // 100


def test_pictures_are_large_enough_and_of_more_than_one_colour() -> None:
    for seed, label in enumerate(sites.shuffled_labels(40)):
        rgb = drawing.draw(drawing.make_picture(label, seed))
        assert min(rgb.shape[:2]) >= 224
        assert np.ptp(rgb.reshape(-1, 3), axis=0).max() > 60


def test_two_worlds_are_the_same_bytes() -> None:
    one, two = (sites.build_world(pages=1, pictures=2, exam_pages=1) for _ in range(2))
    assert one.resources.keys() == two.resources.keys()
    for name in one.resources:
        if name[1] != "/odd/bomb.png":
            assert one.resources[name].body == two.resources[name].body, name


def test_captions_say_what_is_shown() -> None:
    for seed in range(200):
        picture = drawing.make_picture("blue cross", seed)
        words = grammar.caption(picture, grammar.house_style(seed)).split()
        assert 3 <= len(words) <= 20
        assert "blue" in words
        assert {"cross", "crosses"} & {word.strip(",") for word in words}


def test_a_page_writes_all_captions_in_one_form(world: World) -> None:
    styles = [grammar.house_style(number) for number in range(7)]
    for page in (page for page in world.pages if page.kind == "good" and not page.host.startswith("attic")):
        text = bytes(world.resources[page.host, page.path].body).decode()
        seeds = dict.fromkeys(int(seed) for seed in re.findall(r"/pictures/(\d+)\.", text))
        pictures = [drawing.make_picture(label, seed) for label, seed in zip(page.labels, seeds, strict=True)]
        captions = list(dict.fromkeys(re.findall(r'/pictures/[^>]* alt="([^"]*)"', text)))
        assert captions in ([grammar.caption(picture, style) for picture in pictures] for style in styles), page.path


def test_the_exam_has_other_pictures_and_nothing_links_to_it(world: World) -> None:
    seen = {path for host, path in world.resources if "/pictures/" in path and not host.startswith("exam")}
    assert not [path for host, path in world.resources if host.startswith("exam") and path in seen]
    for (host, _), resource in world.resources.items():
        if not host.startswith("exam") and resource.content_type.startswith("text/html"):
            assert b"exam.localhost" not in resource.body


def test_the_bomb_is_small_and_declares_much() -> None:
    from corpusloom.schemas.images.headers import read_header

    data = sites.pixel_bomb()
    assert len(data) < 500_000
    assert read_header(data).width == 30_000
