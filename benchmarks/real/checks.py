"""The checks of a run on real sites; each returns the numbers that it compared, for the report."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from fastwarc.warc import ArchiveIterator, WarcRecordType

from benchmarks.real.mirror import Agreement, Mirror, path_of
from benchmarks.real.sites import TRAPS
from corpusloom.pipelines.extract.alt_texts import PageImages, extract_images
from corpusloom.pipelines.extract.reading import source
from corpusloom.pipelines.extract.reading.fast_walk.walk import fast_walk
from corpusloom.pipelines.extract.reading.reference_walk.walk import reference_walk
from corpusloom.pipelines.extract.reading.types import ExtractConfig
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.net.exchange.response import FetchOutcome, Response
from corpusloom.pipelines.net.scheduler import fetch_all
from corpusloom.schemas.manifest import Manifest
from corpusloom.schemas.records import StageCounts

Bodies = dict[str, bytes]
_CSS_URL = re.compile(r"url\(\s*[\"']?([^\"')]+)")


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, whether it held, and what was found."""

    name: str
    held: bool
    found: str


def read_bodies(warcs: Sequence[Path]) -> tuple[Bodies, int]:
    """Return URL -> body of the 2xx answers in WARCs and the number of all answers, read by fastwarc alone."""
    bodies: Bodies = {}
    answers = 0
    for path in warcs:
        with path.open("rb") as handle:
            for record in ArchiveIterator(handle, record_types=WarcRecordType.response):
                answers += 1
                if 200 <= (record.http_headers.status_code or 0) < 300:
                    bodies[record.headers["WARC-Target-URI"].strip("<>")] = record.reader.read()
    return bodies, answers


def check_mirror(host: str, agreement: Agreement) -> Check:
    """Check that every linked page was scraped with the same bytes as by wget."""
    lists = (("lacking", agreement.lacking), ("beyond", agreement.beyond), ("different", agreement.different))
    wrong = [f"{len(paths)} {name}: {', '.join(paths[:5])}" for name, paths in lists if paths]
    wrong += [f"404 for us alone: {', '.join(agreement.alive[:5])}"] if agreement.alive else []
    found = f"{agreement.pages} pages, {agreement.bytes:,} bytes of HTML"
    return Check(f"{host}: pages and bytes as wget --mirror", agreement.whole, "; ".join((found, *wrong)))


def image_urls(pages: Mapping[str, bytes]) -> set[str]:
    """Return the URLs of all images that extraction finds on pages."""
    found: set[str] = set()
    for url, body in pages.items():
        seen = extract_images(body, url)
        if isinstance(seen, PageImages):
            found |= {image.url for image in seen.images}
    return found


def css_images(found: Mirror) -> set[str]:
    """Return the paths that a mirror's style sheets name: decoration, not images of a page."""
    return {
        urlsplit(urljoin(path, name)).path
        for path, file in found.files.items()
        if file.suffix == ".css"
        for name in _CSS_URL.findall(file.read_text(errors="replace"))
    }


def check_image_urls(host: str, urls: set[str], linked: set[str], found: Mirror) -> Check:
    """Check that extraction finds each image that wget found, except in style sheets and as targets of links."""
    own = {path_of(url) for url in urls if urlsplit(url).hostname == host}
    unseen = sorted(found.images - own - linked - css_images(found))
    strange = sorted(own - found.images - found.missing)
    detail = f"{len(own & found.images)} images"
    detail += f", {len(own & found.missing)} more that are 404" if own & found.missing else ""
    detail += f"; unseen: {', '.join(unseen[:5])}" if unseen else ""
    detail += f"; unknown to wget: {', '.join(strange[:5])}" if strange else ""
    return Check(f"{host}: images as wget --mirror", not unseen and not strange, detail)


def check_image_bytes(urls: set[str], mirrors: Mapping[str, Mirror], config: FetchConfig) -> Check:
    """Check that the guarded fetcher gets every image with the same bytes as wget."""
    wrong: list[str] = []
    good = 0

    def take(url: str, outcome: FetchOutcome) -> None:
        nonlocal good
        found, path = mirrors[urlsplit(url).hostname or ""], path_of(url)
        if isinstance(outcome, Response):
            same = path in found.files and found.files[path].read_bytes() == outcome.body
        else:
            same = path in found.missing
        good += isinstance(outcome, Response) and same
        if not same:
            wrong.append(f"{path}: {'other bytes' if isinstance(outcome, Response) else outcome}")

    fetch_all(sorted(urls), config, kind="image", on_outcome=take)
    detail = f"{good} of {len(urls)} with wget's bytes" + (f"; wrong: {'; '.join(wrong[:3])}" if wrong else "")
    return Check("every image reachable", not wrong, detail)


def check_walks(pages: Mapping[str, bytes]) -> Check:
    """Check that fast walk and reference walk give equal results on every page, before main content is selected."""
    differing = [url for url, body in pages.items() if not _walks_agree(url, body)]
    detail = f"{len(pages) - len(differing)} of {len(pages)} pages"
    detail += f"; not: {', '.join(differing[:5])}" if differing else ""
    return Check("fast and reference walk agree", not differing and bool(pages), detail)


def _walks_agree(url: str, body: bytes) -> bool:
    config = ExtractConfig()
    prepared, _, _ = source.prepare(body, None, config)
    try:
        return fast_walk(prepared, url, config) == reference_walk(prepared, url, config)
    except Exception:  # extraction would fall back to the reference walk, which counts as a disagreement
        return False


def check_ledger(name: str, counts: Sequence[StageCounts]) -> Check:
    """Check that in = kept + rejected + dead in each stage and unit."""
    lost = [f"{row.stage}/{row.unit}: {row.unaccounted}" for row in counts if row.unaccounted]
    dead = sum(sum(row.dead.values()) for row in counts)
    total = sum(row.records_in for row in counts)
    detail = f"{total:,} in over {len(counts)} rows, {dead} dead" + (f"; lost {', '.join(lost)}" if lost else "")
    return Check(f"{name}: in = kept + rejected + dead", not lost and bool(counts), detail)


def check_chain(name: str, manifest: Manifest, answers: int) -> Check:
    """Check that each stage took in what the previous one kept, from the WARCs' answers to the tars' samples."""
    unit = "page" if manifest.kind == "interleaved" else "pair"
    rows = {(row.stage, row.unit): row for row in manifest.counts}
    links = [
        ("answers in the WARCs", answers, rows["extract", "record"].records_in),
        ("extract", rows["extract", unit].kept, rows["select", unit].records_in),
        ("select", rows["select", unit].kept, rows["shards", unit].records_in),
        ("samples", rows["shards", unit].kept, manifest.samples),
    ]
    broken = [f"{link}: {left} and {right}" for link, left, right in links if left != right]
    detail = " -> ".join(str(left) for _, left, _ in links) + (f"; broken: {', '.join(broken)}" if broken else "")
    return Check(f"{name}: each stage takes in what the one before kept", not broken, detail)


def check_again(first: Manifest, second: Manifest) -> Check:
    """Check that a second build from the same WARCs and image store, without the network, gives the same bytes."""
    same = first == second
    detail = f"digest {first.digest[:16]}" + ("" if same else f" and {second.digest[:16]}: {_differing(first, second)}")
    return Check("m3w: built again by one worker without a fetch, the same bytes", same, detail)


def _differing(first: Manifest, second: Manifest) -> str:
    files = [{entry.name: entry.sha256 for entry in (*m.tables, *m.documents, *(s.tar for s in m.shards))}
             for m in (first, second)]  # fmt: skip
    names = sorted(name for name in files[0] if files[1].get(name) != files[0][name])
    return ", ".join(names) or "other entries of the manifest"


def check_trap(connections: int, reasons: Mapping[str, str | None]) -> Check:
    """Check that the forbidden address had no connection, and that the refusals are in the ledger: URL -> reason."""
    seen = {urlsplit(url).path: reason for url, reason in reasons.items()}
    refused = all(seen.get(path) == reason for path, reason in TRAPS.items())
    detail = f"{connections} connections; on record: " + ", ".join(f"{path} {seen.get(path)}" for path in TRAPS)
    return Check("forbidden addresses and paths refused", connections == 0 and refused, detail)


def check_training(losses: Sequence[tuple[int, float]], batch: int) -> Check:
    """Check that CLIP's loss went below that of guessing, ln(batch)."""
    chance = math.log(batch)
    if not losses:
        return Check("CLIP learns", False, "no loss on record")
    step, last = losses[-1]
    held = math.isfinite(last) and last < 0.9 * chance
    return Check("CLIP learns", held, f"loss {last:.3f} at step {step}; guessing {chance:.3f}")


def html_pages(bodies: Bodies, hosts: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the HTML pages of hosts."""
    for url, body in bodies.items():
        if urlsplit(url).hostname in hosts and path_of(url).endswith(".html"):
            yield url, body
