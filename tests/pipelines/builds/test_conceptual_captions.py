"""Conceptual Captions' recipes from a list: each row meets its rule, whatever the order, and is decided again."""

import http.server
import io
import json
import re
import tarfile
import urllib.parse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image

from corpusloom.pipelines.builds import build
from corpusloom.pipelines.builds.config import BuildConfig
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.store.lists.list_config import PairListConfig
from corpusloom.schemas import tables
from corpusloom.schemas.manifest import Manifest
from corpusloom.schemas.records import SidecarRow
from tests.loopback import Server, running
from tests.pipelines.filters.pairs.conceptual.small_wordnet import write_wordnet
from tests.pipelines.small_web import QUIET

OBAMA = "Barack Obama and a brown dog in the park | Stock Photo"
CC12M = (
    ("401x401.jpg", "A brown dog walks in the park", None),
    ("401x401.jpg", "A brown dog walks in the park", "duplicate_pair"),
    ("402x1005.jpg", OBAMA, None),
    ("403x403.jpg", "Barack Obama walks in the brown park", None),
    ("404x404.jpg", "brown dog park and dog walks", "no_determiner"),
    ("405x405.jpg", "A dog", "too_few_caption_words"),
    ("406x406.jpg", "A dog in a park a dog", "repeated_words"),
    ("407x407.jpg", "Profile photo of a brown dog", "boilerplate_caption"),
    ("408x408.jpg", "Profile photo of the park", "boilerplate_caption"),
    ("409x409.jpg", "A dog of the zxqy", "rare_token"),
    ("410x410.jpg", "Der braune Hund läuft durch den grünen Wald", "language"),
    ("411x411.jpg", "Der braune Hund läuft durch den grünen Wald", "language"),
    ("412x412.png", "A dog in the brown park", "image_format"),
    ("400x600.jpg", "A dog in the brown park", "image_too_small"),
    ("401x1003.jpg", "A dog in the brown park", "image_aspect"),
)
"""Image, caption, and the reason for which the pair is rejected by cc12m with words that occur at least twice."""
CC3M = (
    ("401x401.jpg", "Tom Hanks walks a brown dog in the park", None),
    ("402x804.jpg", "The dog of Albert Einstein in the park", "rare_hypernym"),
    ("403x403.jpg", "The dog of Tom Hanks in London", None),
    ("404x404.jpg", "Tom Hanks walks a dog and a dog in May 2012", None),
    ("405x405.jpg", "A dog in Paris", "short_rewritten_caption"),
    ("406x406.jpg", "Tom Hanks and a brown dog", "no_preposition"),
    ("407x407.jpg", "the brown dog in a park", "small_first_letter"),
    ("408x408.jpg", "A Brown Dog In A Park", "too_many_capital_words"),
    ("409x409.jpg", "A brown dog of Mister Blorks", "name_without_hypernym"),
    ("410x410.jpg", "A dog dog dog dog dog in the park", "repeated_content_words"),
    ("411x411.jpg", "Tom Hanks in the terrible park", "negative_caption"),
    ("404x810.jpg", "Tom Hanks and a brown dog in the park", "image_aspect"),
)
"""The same for cc3m with hypernyms that at least two of the other pairs have."""
KEYS = ("filters.captions.min_token_occurrences=2",)


class _Pictures(http.server.BaseHTTPRequestHandler):
    """/WIDTHxHEIGHT.FORMAT is a picture of that size."""

    def do_GET(self) -> None:
        found = re.fullmatch(r"/(\d+)x(\d+)\.(jpg|png)", urllib.parse.urlsplit(self.path).path)
        body = io.BytesIO()
        if found is not None:
            picture = Image.linear_gradient("L").resize((int(found[1]), int(found[2]))).convert("RGB")
            picture.save(body, "jpeg" if found[3] == "jpg" else "png")
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(body.getvalue())))
        self.end_headers()
        self.wfile.write(body.getvalue())

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def pictures() -> Iterator[Server]:
    """Return a server of pictures."""
    with running(_Pictures) as server:
        yield server


def built(
    server: Server,
    folder: Path,
    recipe: str,
    rows: Sequence[tuple[str, str, object]],
    keys: Sequence[str],
    out: str,
    reused: tuple[str, ...] = (),
    from_pages: bool = False,
) -> Manifest:
    """Build a dataset of a list of rows, of which an earlier build finished the stages `reused`.

    With `from_pages` the list is not given.
    """
    folder.mkdir(exist_ok=True)
    base = f"http://127.0.0.1:{server.server_port}"
    path = folder / "list.tsv"
    lines = [f"{text}\t{base}/{name}\n" for name, text, _ in rows]
    path.write_text("" if from_pages else "".join(("caption\turl\n", *lines)))
    config = BuildConfig(
        recipe=load_recipe(recipe, list(keys)),
        out=str(folder / out),
        work=str(folder / "work"),
        store=str(folder / "store"),
        lists=() if from_pages else (str(path),),
        columns=PairListConfig() if from_pages else PairListConfig(caption_column="caption"),
        from_pages=from_pages,
        fetch=FetchConfig(contact="t@example.org", allow_addresses=(f"127.0.0.0/8:{server.server_port}",), delay=0),
        workers=0,
    )
    report = build.build(config, QUIET)
    assert report.manifest is not None
    assert report.reused == reused
    return report.manifest


def reasons(manifest: Manifest) -> Counter[str]:
    """Return the reasons of the stages that judge pairs, each with its number of pairs."""
    found: Counter[str] = Counter()
    for row in manifest.counts:
        if row.unit == "pair":
            found.update(row.rejected)
    return found


def captions(dataset: Path) -> dict[str, str | None]:
    """Return name of the image -> caption, of every sample."""
    rows = [row for path in sorted(dataset.glob("**/*.parquet")) if path.with_suffix(".tar").exists()
            for row in tables.read_records(str(path), SidecarRow)]  # fmt: skip
    return {row.url.rpartition("/")[2]: row.caption for row in rows}


def test_each_row_of_cc12m_meets_its_rule(pictures: Server, tmp_path: Path) -> None:
    first = built(pictures, tmp_path, "cc12m", CC12M, KEYS, "first")
    assert reasons(first) == Counter(reason for _, _, reason in CC12M if reason)
    assert captions(tmp_path / "first") == {
        "401x401.jpg": "A brown dog walks in the park",
        "402x1005.jpg": "<PERSON> and a brown dog in the park",
        "403x403.jpg": "<PERSON> walks in the brown park",
    }
    same = built(pictures, tmp_path / "same", "cc12m", CC12M, KEYS, "out")
    assert same.digest == first.digest
    turned = built(pictures, tmp_path / "turned", "cc12m", CC12M[::-1], KEYS, "out")
    assert (reasons(turned), captions(tmp_path / "turned/out")) == (reasons(first), captions(tmp_path / "first"))

    again = built(
        pictures, tmp_path, "cc12m", CC12M, (*KEYS, "filters.conceptual.min_determiners=off"), "again", ("extract",)
    )
    assert reasons(again) == reasons(first) - Counter(("no_determiner",))
    assert captions(tmp_path / "again")["404x404.jpg"] == "brown dog park and dog walks"


def test_the_original_caption_stands_beside_the_new_one(pictures: Server, tmp_path: Path) -> None:
    built(pictures, tmp_path, "cc12m", CC12M[:4], ("filters.captions.min_token_occurrences=off",), "out")
    (tar,) = (tmp_path / "out").glob("**/*.tar")
    with tarfile.open(tar) as file:
        bodies = [json.loads(file.extractfile(name).read()) for name in file.getnames() if name.endswith(".json")]  # type: ignore[union-attr]
    found = {body["caption"]: body["original_caption"] for body in bodies}
    assert found["<PERSON> and a brown dog in the park"] == OBAMA
    assert found["A brown dog walks in the park"] is None


def test_each_row_of_cc3m_meets_its_rule(pictures: Server, tmp_path: Path) -> None:
    wordnet = write_wordnet(tmp_path / "wordnet")
    keys = ("filters.captions.min_token_occurrences=off", f"filters.conceptual.wordnet={wordnet}")
    hypernyms = "filters.conceptual.min_hypernym_captions="
    first = built(pictures, tmp_path, "cc3m", CC3M, (*keys, f"{hypernyms}2"), "first")
    assert reasons(first) == Counter(reason for _, _, reason in CC3M if reason)
    assert captions(tmp_path / "first") == {
        "401x401.jpg": "actor walks a brown dog in the park",
        "403x403.jpg": "The dog of actor",
        "404x404.jpg": "actor walks dogs",
    }
    again = built(pictures, tmp_path, "cc3m", CC3M, (*keys, f"{hypernyms}1"), "again", ("extract",))
    assert reasons(again) == reasons(first) - Counter(("rare_hypernym",))
    assert captions(tmp_path / "again")["402x804.jpg"] == "The dog of physicist in the park"


@pytest.mark.parametrize("key", ["filters.conceptual.min_determiners=off", "filters.conceptual.boilerplate=false"])
def test_pairs_of_a_list_are_decided_and_measured_again_without_the_list(
    key: str, pictures: Server, tmp_path: Path
) -> None:
    built(pictures, tmp_path, "cc12m", CC12M, KEYS, "first")
    reused = ("extract",) if "determiners" in key else ()
    again = built(pictures, tmp_path, "cc12m", CC12M, (*KEYS, key), "again", reused, from_pages=True)
    whole = built(pictures, tmp_path / "whole", "cc12m", CC12M, (*KEYS, key), "whole")
    assert again.digest == whole.digest
    assert [row.sha256 for row in again.inputs] == [row.sha256 for row in whole.inputs]
