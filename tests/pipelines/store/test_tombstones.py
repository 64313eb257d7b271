"""Records that were taken down are recognised by key, URL, domain or hash, and only hashes stay in their rows."""

import dataclasses
from pathlib import Path

import pytest

from corpusloom.pipelines.store import tombstones
from corpusloom.pipelines.store.tombstones import HIDDEN, Tombstones, domain_hash, hide, is_taken_down, redact
from corpusloom.schemas import identity
from corpusloom.schemas.errors import DamageError
from corpusloom.schemas.records import (
    Block,
    Head,
    ImageRecord,
    ImageRef,
    LedgerRow,
    Page,
    Pair,
    ProvenanceRow,
    ScoreRow,
    Signal,
)

PAGE_URL, IMAGE_URL, OTHER = "http://a.example/page", "http://img.example/i.jpg", "http://b.example/other"
PAGE = Page(
    key="k", url=PAGE_URL, canonical_url=PAGE_URL, fetched_at="t",
    blocks=(Block(kind="paragraph", text="text"), Block(kind="image", image=ImageRef(url=IMAGE_URL, alt_text="alt"))),
    meta_images=(ImageRef(url=IMAGE_URL), ImageRef(url=OTHER)),
)  # fmt: skip
PAIR = Pair(key="k", parent="p", page_url=PAGE_URL, image_url=IMAGE_URL, text="t", text_source="alt_text")
HEAD = Head(unit="page", key="k", parent="p", url=PAGE_URL, images=(IMAGE_URL, OTHER), text_key="x")
RECORD = ImageRecord(
    key="k", url=IMAGE_URL, final_url=IMAGE_URL, outcome="kept", sha256="5" * 64, fetched_at="t", etag="e",
    last_modified="m", signals=(Signal(name="n", value="v", where="w", seen_at="t"),), pack="p", offset=1, length=2,
)  # fmt: skip
LEDGER = LedgerRow(stage="s", unit="u", key="k", url=PAGE_URL, outcome="dead", reason="r")
PROVENANCE = ProvenanceRow(
    stage="s", key="k", url=PAGE_URL, warc="w", offset=3, record_id="i", fetched_at="t", error="E", message="m",
    traceback="t",
)  # fmt: skip
ROWS = (PAGE, PAIR, HEAD, RECORD, LEDGER, PROVENANCE)


def of_keys(*keys: str) -> Tombstones:
    return Tombstones(keys=frozenset(keys))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: type(row).__name__)
def test_a_row_is_taken_down_by_its_key(row: object) -> None:
    assert is_taken_down(row, of_keys("k"))
    assert not is_taken_down(row, of_keys("p", "other"))
    assert not is_taken_down(row, Tombstones())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: type(row).__name__)
@pytest.mark.parametrize("domain", ["a.example", "img.example", "example"])
def test_a_row_is_taken_down_with_its_domain(row: object, domain: str) -> None:
    stones = Tombstones(domains=frozenset({domain_hash(domain)}))
    of_image = isinstance(row, Pair | ImageRecord)
    of_page = not isinstance(row, ImageRecord)
    expected = {"a.example": of_page, "img.example": of_image, "example": True}
    assert is_taken_down(row, stones) == expected[domain]


def test_a_page_is_taken_down_by_its_canonical_url_as_well() -> None:
    page = dataclasses.replace(PAGE, url=OTHER)
    assert is_taken_down(page, of_keys(identity.page_key(PAGE_URL)))
    assert is_taken_down(page, of_keys(identity.page_key(OTHER)))
    assert not is_taken_down(page, of_keys(identity.image_key(IMAGE_URL)))


def test_an_image_is_taken_down_by_its_hash() -> None:
    assert is_taken_down(RECORD, Tombstones(sha256=frozenset({"5" * 64})))
    assert not is_taken_down(RECORD, Tombstones(sha256=frozenset({"6" * 64})))
    assert not is_taken_down(dataclasses.replace(RECORD, sha256=None), Tombstones(sha256=frozenset({"6" * 64})))


@pytest.mark.parametrize("row", [*ROWS, ScoreRow(stage="s", unit="u", key="k", outcome="kept")],
                         ids=lambda row: type(row).__name__)  # fmt: skip
def test_a_row_that_is_not_named_is_the_same_row(row: object) -> None:
    assert redact(row, of_keys("other")) is row


def test_pages_and_pairs_are_dropped_whole() -> None:
    assert redact(PAGE, of_keys("k")) is None
    assert redact(PAIR, of_keys("k")) is None


def test_an_image_of_a_page_loses_all_but_a_hash_of_its_url() -> None:
    found = redact(PAGE, of_keys(identity.image_key(IMAGE_URL)))
    assert found.blocks == (PAGE.blocks[0], Block(kind="image", image=ImageRef(url=hide(IMAGE_URL))))
    assert found.meta_images == (ImageRef(url=OTHER),)
    assert redact(PAGE, of_keys(identity.image_key(OTHER))).blocks == PAGE.blocks


def test_a_head_keeps_its_hashes() -> None:
    found = redact(HEAD, of_keys("k"))
    assert (found.url, found.images, found.text_key, found.key) == ("", (hide(IMAGE_URL), hide(OTHER)), "x", "k")
    one = redact(HEAD, of_keys(identity.image_key(OTHER)))
    assert (one.url, one.images) == (PAGE_URL, (IMAGE_URL, hide(OTHER)))


def test_ledger_and_provenance_lose_what_names_the_record() -> None:
    assert redact(LEDGER, of_keys("k")) == dataclasses.replace(LEDGER, url=None)
    found = redact(PROVENANCE, of_keys("k"))
    assert (found.url, found.record_id, found.message, found.traceback, found.signals) == (None, None, None, None, ())
    assert (found.warc, found.offset, found.fetched_at, found.error) == ("w", 3, "t", "E")


def test_an_image_record_keeps_its_outcome_and_its_hash() -> None:
    assert redact(RECORD, of_keys("k")) == ImageRecord(key="k", url="", outcome="kept", sha256="5" * 64)


def test_a_hidden_url_is_hidden_once_and_never_taken_down_again() -> None:
    assert hide(PAGE_URL) == HIDDEN + identity.make_key("url", PAGE_URL)
    assert hide(hide(PAGE_URL)) == hide(PAGE_URL) != hide(OTHER)
    everything = Tombstones(
        keys=frozenset({identity.page_key(hide(PAGE_URL)), identity.image_key(hide(PAGE_URL))}),
        domains=frozenset({domain_hash("")}),
    )
    assert not everything.has_url(hide(PAGE_URL))
    assert not everything.has_image(hide(PAGE_URL))
    assert not everything.has_url("")
    assert not everything.has_image("")


def test_a_url_is_a_page_or_an_image() -> None:
    stones = of_keys(identity.image_key(IMAGE_URL), identity.page_key(PAGE_URL))
    assert stones.has_url(IMAGE_URL)
    assert stones.has_image(IMAGE_URL)
    assert stones.has_url(PAGE_URL)
    assert not stones.has_image(PAGE_URL)


@pytest.mark.parametrize("domain", ["a.example", "A.Example.", "*.a.example"])
def test_a_domain_covers_its_subdomains_however_it_is_spelled(domain: str) -> None:
    stones = Tombstones(domains=frozenset({domain_hash(domain)}))
    assert stones.has_image("http://a.example/x")
    assert stones.has_url("http://www.a.example/x")
    assert not stones.has_url("http://ba.example/x")
    assert not stones.has_url("http://example/x")


def test_two_sets_of_tombstones_are_joined() -> None:
    one, two = (
        Tombstones(keys=frozenset("a"), sha256=frozenset("s")),
        Tombstones(keys=frozenset("b"), domains=frozenset("d")),
    )
    both = one | two
    assert both == Tombstones(keys=frozenset("ab"), domains=frozenset("d"), sha256=frozenset("s"))
    assert not Tombstones()
    assert all((Tombstones(keys=frozenset("a")), Tombstones(domains=frozenset("a")), Tombstones(sha256=frozenset("a"))))


def test_equal_tombstones_have_equal_text_and_digest(tmp_path: Path) -> None:
    stones = Tombstones(keys=frozenset("ba"), domains=frozenset("d"))
    assert stones.to_json() == '{\n "domains": [\n  "d"\n ],\n "keys": [\n  "a",\n  "b"\n ],\n "sha256": []\n}\n'
    assert stones.digest() == Tombstones(keys=frozenset("ab"), domains=frozenset("d")).digest()
    assert stones.digest() != Tombstones().digest()
    tombstones.write(str(tmp_path), stones)
    assert tombstones.read(str(tmp_path)) == stones


def test_a_key_that_changed_is_not_taken_for_another(tmp_path: Path) -> None:
    tombstones.write(str(tmp_path), Tombstones(keys=frozenset({"a" * 32})))
    path = tmp_path / "tombstones.json"
    path.write_text(path.read_text().replace("a" * 32, "b" + "a" * 31))
    with pytest.raises(DamageError, match=r"tombstones\.json: has changed since it was written"):
        tombstones.read(str(tmp_path))


def test_a_store_without_tombstones_has_none(tmp_path: Path) -> None:
    assert tombstones.read(str(tmp_path)) == Tombstones()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keys": []}', '{"keys": 1, "domains": [], "sha256": []}'])
def test_damaged_tombstones_are_never_taken_for_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "tombstones.json").write_text(text)
    with pytest.raises(DamageError, match=r"tombstones\.json: .*restore it from a backup"):
        tombstones.read(str(tmp_path))
