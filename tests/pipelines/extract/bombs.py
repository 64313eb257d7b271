"""Pages made to exhaust an extractor, by name, each generated on demand. Run as a script, it measures all of them."""

import json
import time
from collections.abc import Callable

from benchmarks.peak import clear_peak, peak_megabytes
from corpusloom.pipelines.extract.extractor import extract
from corpusloom.pipelines.extract.reading.types import ExtractConfig, Extracted

_PAGE = b"<!doctype html><title>t</title><p>A first paragraph of text.</p>"

BOMBS: dict[str, Callable[[], bytes]] = {
    "nested_div": lambda: _PAGE + b"<div>" * 100_000 + b"deep",
    "nested_formatting": lambda: _PAGE + b"<p><b>" * 100_000 + b"deep",
    "nested_tables": lambda: _PAGE + b"<table><tr><td>" * 60_000 + b"deep",
    "nested_lists": lambda: _PAGE + b"<ul><li>a" * 100_000,
    "nested_links_fonts_tables": lambda: _PAGE + b"<a><font><table>" * 30_000,
    "nested_noscript": lambda: _PAGE + b"<noscript>a" * 100_000,
    "stray_end_tags": lambda: _PAGE + b"<div>" * 1_000 + b"</b></i>" * 50_000,
    "million_attributes": lambda: _PAGE + b"<div " + b" ".join(b"a%d=1" % n for n in range(1_000_000)) + b">inside",
    "long_attribute": lambda: _PAGE + b'<div class="' + b"a " * 4_000_000 + b'">inside',
    "long_srcset": lambda: _PAGE + b'<img srcset="' + b"a.jpg 1x, " * 9_000 + b'">' * 100,
    "many_images": lambda: _PAGE + b"".join(b"<img src=/%d.jpg>" % n for n in range(500_000)),
    "many_classes": lambda: _PAGE + b"".join(b'<div class="c%d nav-%d">x</div>' % (n, n) for n in range(100_000)),
    "many_paragraphs": lambda: _PAGE + b"<p>hello world of text</p>" * 2_000_000,
    "many_cells": lambda: _PAGE + b"<table><tr>" + b"<td>x" * 200_000,
    "many_breaks": lambda: _PAGE + b"a<br>" * 1_000_000,
    "spaced_breaks": lambda: _PAGE + b"<span> </span>" * 50_000 + b"x" + b" <b></b>" * 40_000 + b"<br> " * 9_000,
    "long_text": lambda: _PAGE + b"word " * 10_000_000,
    "long_word": lambda: _PAGE + b"x" * 9_000_000,
    "less_than_signs": lambda: _PAGE + b"<" * 5_000_000,
    "ampersands": lambda: _PAGE + b"&" * 5_000_000 + b"&amp;" * 500_000,
    "open_comments": lambda: _PAGE + b"<!-- a --" * 1_000_000,
    "nuls": lambda: _PAGE + b"\x00" * 5_000_000 + b"<p>after",
    "broken_utf8": lambda: _PAGE + b"\xff\xfe\x80\xc3" * 1_000_000,
    "emoji": lambda: _PAGE + "😀".encode() * 2_400_000,
    "deep_json": lambda: _PAGE + b'<script type="application/ld+json">' + b"[" * 4_000_000,
    "one_pre": lambda: _PAGE + b"<pre>" + b"def f(a):\n    return a\n" * 2_000_000,
    "framesets": lambda: _PAGE + b"<frameset><frame src=a>" * 60_000,
    "broken_xhtml": lambda: (
        b'<?xml version="1.0"?>' + _PAGE + b"<p/><br></br><![CDATA[x]]><a:b xmlns:a='u'/>&nope;" * 200_000
    ),
    "script_shell": lambda: _PAGE + b"<script>" + b"var a = '<p>';" * 900_000 + b"</script>",
    "raised": lambda: _PAGE + b"<p>2" + b"<sup>2</sup>" * 90_000,
    "figures": lambda: _PAGE + b"<div class=figure><p class=title>t<img src=a>" * 30_000,
    "styles": lambda: _PAGE + b"".join(b'<div style="display : %s">t</div>' % (b" " * 1_900) for _ in range(5_000)),
}


def measure(name: str, config: ExtractConfig) -> dict[str, object]:
    """Extract one bomb; return verdict, CPU seconds, slowness, whether the text was kept, MB of memory growth."""
    html = BOMBS[name]()
    slow = slowness()
    clear_peak()
    before = peak_megabytes()
    start = time.process_time()
    result = extract(html, "http://a.example/", config=config)
    seconds = time.process_time() - start
    slow = max(slow, slowness())
    peak = peak_megabytes() - before
    blocks = [*result.blocks, *(block for block, _why in result.dropped)] if isinstance(result, Extracted) else []
    found = any("A first paragraph of text." in (block.text or "") for block in blocks)
    return {
        "name": name,
        "result": type(result).__name__,
        "seconds": seconds,
        "slowness": slow,
        "peak": peak,
        "text": found,
    }


def slowness() -> float:
    """Return how much slower this core is now than one that adds 300,000 squares in 25 ms; 1 if it is as fast."""
    start = time.process_time()
    sum(number * number for number in range(300_000))
    return max(1.0, (time.process_time() - start) / 0.025)


if __name__ == "__main__":
    for bomb in BOMBS:
        print(json.dumps(measure(bomb, ExtractConfig(keep_dropped=True))), flush=True)
