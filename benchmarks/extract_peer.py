"""Runs one peer extractor over a list of pages, in its own environment; started by `benchmarks/extract.py`.

Usage: `PYTHON extract_peer.py NAME CHECKOUT < paths`, one HTML path per line; prints one JSON line per page: CPU
seconds, text, images. It imports nothing from corpusloom, so the peer's environment needs only the peer.
"""

import importlib
import json
import re
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

Extracted = tuple[str, list[str]]


def trafilatura(checkout: str) -> Callable[[str], Extracted]:
    """Return the extractor of Trafilatura with images, called as its users do for interleaved text."""
    from trafilatura import extract

    def run(html: str) -> Extracted:
        text = extract(html, include_images=True, include_tables=True, include_comments=False) or ""
        words = [line for line in text.split("\n") if not line.startswith("![")]
        return "\n".join(words), re.findall(r"!\[[^\]]*\]\((\S+?)\)", text)

    return run


def resiliparse(checkout: str) -> Callable[[str], Extracted]:
    """Return the extractor of Resiliparse's main content as plain text, without images."""
    from resiliparse.extract.html2text import extract_plain_text

    return lambda html: (extract_plain_text(html, main_content=True), [])


def obelics(checkout: str) -> Callable[[str], Extracted]:
    """Return the extractor of OBELICS: DOM simplification and pre-extraction, as in its published configuration.

    The `__init__` files of its package are skipped, because they import what only building a dataset needs.
    """
    substitute = re.sub

    def hoisted(pattern: str, replacement: str, string: str, count: int = 0, flags: int = 0) -> str:
        """Move a global flag to the start of a pattern: Python 3.11 refuses it elsewhere, 3.10 only warned."""
        if "(?s)" in pattern:
            pattern, flags = pattern.replace("(?s)", ""), flags | re.DOTALL
        return substitute(pattern, replacement, string, count=count, flags=flags)

    vars(re)["sub"] = hoisted
    for name in ("obelics", "obelics.processors", "obelics.utils"):
        package = types.ModuleType(name)
        package.__path__ = [str(Path(checkout, *name.split(".")))]
        sys.modules[name] = package
    for name in ("simplification_utils", "tags_attributes", "utils"):
        module = importlib.import_module(f"obelics.utils.{name}")
        vars(sys.modules["obelics.utils"]).update({key: value for key, value in vars(module).items() if key[0] != "_"})
    simplify = importlib.import_module("obelics.processors.dom_tree_simplificator").DOMTreeSimplificator(
        css_rules=["[class~='footer']", "[class~='site-info']"],
        css_rules_replace_with_text={"[class~='more-link']": "\n\nEND_OF_DOCUMENT_TOKEN_TO_BE_REPLACED\n\n"},
    )
    extract = importlib.import_module("obelics.processors.pre_extraction_simplificator").PreExtractionSimplificator()

    def run(html: str) -> Extracted:
        nodes = extract(simplify(html, type_return="selectolax_tree"), page_url="https://page.example/")
        texts = [node.text for node in nodes if node.tag == "-text"]
        return "\n\n".join(texts), [node.media_info["src"] for node in nodes if node.tag == "img"]

    return run


def main() -> None:
    """Read paths and print results; a page on which the peer fails has no text."""
    run = {"trafilatura": trafilatura, "resiliparse": resiliparse, "obelics": obelics}[sys.argv[1]](sys.argv[2])
    for line in sys.stdin:
        html = Path(line.strip()).read_bytes().decode("utf-8", "replace")
        start = time.process_time()
        try:
            text, images = run(html)
        except Exception:
            text, images = "", []
        print(json.dumps({"seconds": time.process_time() - start, "text": text, "images": images}), flush=True)


if __name__ == "__main__":
    main()
