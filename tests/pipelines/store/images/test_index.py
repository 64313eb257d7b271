"""The index: one outcome per URL, later generations win, and looking up many keys equals one by one."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np

from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.net.refusals import Policy
from corpusloom.pipelines.store.images.index import WITHDRAWN
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.schemas import arrow
from corpusloom.schemas.records import ImageRecord
from corpusloom.schemas.verdicts import Dead, Rejected
from tests.pipelines.store.store_maker import answer, fill, outcomes, wanted


def test_a_later_generation_wins_and_the_rest_stays(tmp_path: Path) -> None:
    fill(tmp_path, outcomes())
    store = fill(tmp_path, [("slow", answer(7)), ("a", Dead("dns_failed"))], generation=2)
    index = store.index()
    slow, a, b = (index.find(wanted(name).key) for name in ("slow", "a", "b"))
    assert (index.generation, slow and slow.outcome, a and a.reason, b and b.outcome) == (
        2,
        "kept",
        "dns_failed",
        "kept",
    )
    keys = np.array([wanted(name).key.encode() for name in ("slow", "b", "never")])
    assert index.generations_of(keys).tolist() == [2, 1, 0]
    every = np.array([row.key.encode() for row in index.rows()])
    assert Counter(index.generations_of(every).tolist()) == {1: len(index) - 2, 2: 2}
    assert [url for _, url in index.transient()] == [wanted("a").url]


def test_within_a_generation_final_wins_then_the_smallest_hash(tmp_path: Path) -> None:
    first, second = answer(1), answer(2)
    store = fill(
        tmp_path, [("x", Dead("dns_failed")), ("x", second), ("x", first), ("y", Rejected("http_404"))], each=1
    )
    row = store.index().find(wanted("x").key)
    assert row is not None
    assert row.sha256 == min(hashlib.sha256(item.body).hexdigest() for item in (first, second))


def test_refusals_of_another_policy_are_left_out_and_replaced_in_a_new_generation(tmp_path: Path) -> None:
    policy = Policy(fetch=FetchConfig())
    opened = Policy(fetch=FetchConfig(allow_addresses=("127.0.0.0/8",)))
    entries = [("a", answer(1)), ("port", Rejected("port_not_allowed")), ("gone", Rejected("http_410"))]
    index = fill(tmp_path, [*entries, ("slow", Dead("timeout_total"))]).index()
    assert index.under(policy) is index
    current = index.under(opened)
    names = ("a", "port", "gone", "slow")
    assert [name for name in names if wanted(name).key in current] == ["a", "gone", "slow"]
    assert (len(current), current.rows_of([wanted("gone").key]).num_rows) == (3, 1)
    assert index.next_generation(index, [wanted("port").key]) == 1
    assert index.next_generation(current, [wanted("a").key, wanted("new").key]) == 1
    assert index.next_generation(current, [wanted("port").key]) == 2
    again = fill(tmp_path, [("port", Rejected("port_not_allowed"))], generation=2, policy=opened).index()
    assert again.under(opened) is again
    assert wanted("port").key not in again.under(policy)


def test_rows_and_digest_of_many_keys_are_those_of_one_by_one(tmp_path: Path) -> None:
    store = ImageStore(str(tmp_path))
    records = [
        ImageRecord(key=f"{n:032x}", url=f"u{n}", outcome="rejected", reason="r" if n % 2 else None, final=True)
        for n in range(0, 40, 2)
    ]
    store.commit_part(1, "a", records)
    index, keys = store.index(), [f"{n:032x}" for n in (39, 4, 4, 0, 38, 7)]
    found = [index.find(key) for key in sorted(set(keys))]
    assert list(arrow.from_table(ImageRecord, index.rows_of(keys))) == [record for record in found if record]
    lines = [
        f"{key} " + (f"{record.outcome} {record.reason} {record.sha256}" if record else "-") + "\n"
        for key, record in zip(sorted(set(keys)), found, strict=True)
    ]
    assert index.digest(keys) == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert index.rows_of([]).num_rows == 0
    assert ImageStore(str(tmp_path / "none")).index().rows_of(keys).num_rows == 0


def test_outcomes_are_counted_with_their_reasons(tmp_path: Path) -> None:
    index = fill(tmp_path, outcomes()).index()
    keys = np.sort(np.array([wanted(name).key.encode() for name in ("a", "b", "gone", "slow", "never", "never2")]))
    assert index.count_outcomes(keys) == Counter(
        {("kept", ""): 2, ("rejected", "http_410"): 1, ("dead", "timeout_total"): 1, ("", ""): 2}
    )
    assert index.count_outcomes(keys[:0]) == Counter()


def test_urls_to_retry_and_to_fetch_again_are_those_that_were_not_taken_down(tmp_path: Path) -> None:
    store = ImageStore(str(tmp_path))
    outcomes = [("u0", "dead"), ("", "dead"), ("u2", "kept"), ("", "kept"), ("u4", "rejected")]
    rows = [
        ImageRecord(key=f"{n:032x}", url=url, outcome=outcome, final=outcome != "dead")
        for n, (url, outcome) in enumerate(outcomes)
    ]
    store.commit_part(1, "a", rows)
    index = store.index()
    assert [url for _, url in index.transient()] == ["u0"]
    assert [url for _, url in index.kept()] == ["u2"]


def test_an_empty_store_has_an_index_without_rows(tmp_path: Path) -> None:
    index = ImageStore(str(tmp_path)).index()
    assert (len(index), index.generation, list(index.rows()), index.stored().num_rows) == (0, 1, [], 0)


def withdrawn(name: str) -> tuple[str, ImageRecord]:
    url = wanted(name)
    return name, ImageRecord(key=url.key, url=url.url, outcome=WITHDRAWN, reason="not_an_image", final=False)


def test_a_withdrawn_url_counts_as_never_fetched_until_it_has_a_new_outcome(tmp_path: Path) -> None:
    fill(tmp_path, outcomes())
    taken_back = [withdrawn("html"), withdrawn("a"), withdrawn("gone")]
    store = fill(tmp_path, [*taken_back, ("a", answer(9)), ("gone", Dead("timeout_total"))], generation=2)
    index = store.index()
    a, gone = (index.find(wanted(name).key) for name in ("a", "gone"))
    assert (wanted("html").key in index, a and a.sha256, gone and gone.reason) == (
        False,
        hashlib.sha256(answer(9).body).hexdigest(),
        "timeout_total",
    )
    assert index.generations_of(np.array([wanted("html").key.encode()])).tolist() == [0]
    assert {url for _, url in index.transient()} == {wanted(name).url for name in ("slow", "gone", "html")}
