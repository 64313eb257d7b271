"""The page of `loom chat` in a real Chromium: pictures and texts in order, the reply, errors, no other request."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from corpusloom.trainers.flamingo.chat.page_server import PageServer, serving
from corpusloom.trainers.flamingo.chat.session import Responder
from corpusloom.trainers.flamingo.decoding import DecodingConfig
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.prompts.images import read_image
from corpusloom.trainers.flamingo.prompts.sequence import EOC, generate
from tests.chromium import CHROMIUM, PATIENCE, needs_chromium
from tests.trainers.datasets import coloured_pairs
from tests.trainers.flamingo.chat.test_session import FORM, TRANSFORM
from tests.trainers.flamingo.test_data import VOCABULARY

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = needs_chromium
DECODING = DecodingConfig(limit=6)


class Shown(NamedTuple):
    """The page in Chromium, its server's address, its requests and its error messages, and two pictures."""

    page: "playwright.Page"
    url: str
    requests: list[str]
    complaints: list[str]
    pictures: list[str]


@pytest.fixture(scope="module")
def shown(model: Flamingo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("pictures")
    pictures = []
    for number, pair in enumerate(coloured_pairs(2)):
        (folder / f"<b>{number}.png").write_bytes(pair.image)
        pictures.append(str(folder / f"<b>{number}.png"))
    server = PageServer(Responder(model, TRANSFORM, FORM, DECODING), "runs/flamingo")
    with serving(server) as url, playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        made = Shown(browser.new_page(), url, [], [], pictures)
        made.page.set_default_timeout(PATIENCE)
        made.page.on("request", lambda request: made.requests.append(request.url))
        made.page.on("console", lambda message: made.complaints.append(message.text))
        made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
        yield made
        browser.close()


def test_pictures_and_texts_are_one_prompt_and_the_reply_stands_below(shown: Shown, model: Flamingo) -> None:
    page, (first, second) = shown.page, shown.pictures
    shown.complaints.clear()
    page.goto(shown.url)
    page.set_input_files("#files", [first])
    page.click("#text")
    page.keyboard.type("a <b>red</b> star")
    page.set_input_files("#files", [second])
    page.locator("img").nth(1).wait_for()
    shown_widths = page.evaluate("Promise.all([...document.images].map(i => i.decode().then(() => i.naturalWidth)))")
    assert len(shown_widths) == 2
    assert min(shown_widths) > 0
    page.click("#question")
    page.keyboard.type("two?")
    assert page.locator("textarea").last.input_value() == "Q: two? A:"
    page.keyboard.press("Control+Enter")
    page.locator("#replied").wait_for(state="visible")
    pixels = [read_image(path, TRANSFORM) for path in shown.pictures]
    row = [pixels[0], "a <b>red</b> star", EOC, pixels[1], "Q: two? A:"]
    (wanted,) = generate(model, [row], VOCABULARY, DECODING)
    assert page.locator("#answer").inner_text().strip() in (FORM.trim(wanted), "(the model ends its reply at once)")
    assert page.locator("#blocks b, #answer b").count() == 0
    assert page.locator(".name").all_inner_texts() == [Path(path).name for path in shown.pictures]
    for width in (360, 1200):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert [url for url in shown.requests if not url.startswith((shown.url, "data:"))] == []
    assert shown.complaints == []


def test_blocks_move_and_go_and_errors_are_shown_in_plain_words(shown: Shown, tmp_path: Path) -> None:
    page = shown.page
    page.goto(shown.url)
    page.click("#send")
    page.locator("#error").wait_for(state="visible")
    assert page.locator("#error").inner_text() == "the prompt is empty (add a picture or a text)"
    (tmp_path / "notes.png").write_text("no picture")
    page.set_input_files("#files", [str(tmp_path / "notes.png")])
    page.click("#text")
    page.keyboard.type("one")
    page.get_by_label("move up: text").click()
    assert page.locator(".block").first.locator("textarea").input_value() == "one"
    page.click("#send")
    playwright.expect(page.locator("#error")).to_contain_text("notes.png: the image cannot be decoded", timeout=30_000)
    page.get_by_label("remove: notes.png").click()
    assert page.locator(".block").count() == 1
    (tmp_path / "large.png").write_bytes(b"\0" * (8 * 2**20 + 1))
    page.set_input_files("#files", [str(tmp_path / "large.png")])
    playwright.expect(page.locator("#error")).to_have_text("large.png has more than 8 MB", timeout=30_000)
    assert page.locator(".block").count() == 1
