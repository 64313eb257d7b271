"""Renders an extracted page for `loom extract`: as a line of JSON, as Markdown or as HTML."""

import html
import json
from collections.abc import Sequence
from typing import TypeAlias

from corpusloom.pipelines.extract.reading.types import Extracted
from corpusloom.schemas.records import Block, ImageRef
from corpusloom.schemas.verdicts import Dead, Rejected

PageResult: TypeAlias = Extracted | Rejected | Dead
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46em;margin:2em auto;padding:0 1em;color:#222}"
    "img{max-width:100%;height:auto}figure{margin:1em 0}figcaption,.facts{color:#666;font-size:.875em}"
    "pre{background:#f4f4f4;padding:.75em;overflow:auto}td{border:1px solid #ddd;padding:.2em .5em}"
    "table{border-collapse:collapse}.dropped{opacity:.6;border-left:3px solid #c33;padding-left:.75em;margin:.5em 0}"
    ".reason{color:#c33;font:12px monospace}"
)


def to_jsonl(result: PageResult, url: str, language: str | None = None, refused: str | None = None) -> str:
    """Return one line of JSON: url, language, texts, images, image_info, outcome, reason.

    Texts and images are parallel lists: at each index one of the two is null. Neighbouring texts are joined by a blank
    line; images are given by their URL.
    """
    texts, images = parallel_lists(result.blocks) if isinstance(result, Extracted) else ([], [])
    kind, reason = outcome(result, refused)
    line = {
        "url": url,
        "language": language,
        "texts": texts,
        "images": [image.url if image else None for image in images],
        "image_info": [_info(image) if image else None for image in images],
        "outcome": kind,
        "reason": reason,
    }
    return json.dumps(line, ensure_ascii=False)


def outcome(result: PageResult, refused: str | None = None) -> tuple[str, str | None]:
    """Return (kept, rejected or dead; the reason or error class). `refused`: why a recipe rejects the page."""
    if isinstance(result, Rejected):
        return "rejected", result.reason
    if isinstance(result, Dead):
        return "dead", result.error
    return ("rejected", refused) if refused else ("kept", None)


def parallel_lists(blocks: Sequence[Block]) -> tuple[list[str | None], list[ImageRef | None]]:
    """Return texts and images as two parallel lists, one of them null at each index; neighbouring texts are joined."""
    texts: list[str | None] = []
    images: list[ImageRef | None] = []
    for block in blocks:
        if block.image is not None:
            texts.append(None)
            images.append(block.image)
        elif texts and texts[-1] is not None:
            texts[-1] += f"\n\n{block.text}"
        else:
            texts.append(block.text)
            images.append(None)
    return texts, images


def _info(image: ImageRef) -> dict[str, str | int | None]:
    return {
        "url": image.url,
        "alt_text": image.alt_text,
        "caption": image.caption,
        "title": image.title,
        "link": image.link,
        "declared_width": image.declared_width,
        "declared_height": image.declared_height,
        "source": image.source,
    }


def to_markdown(result: PageResult, url: str, language: str | None = None, refused: str | None = None) -> str:
    """Return the page as Markdown: a line of facts, the kept blocks, then the dropped blocks with their reasons."""
    kind, reason = outcome(result, refused)
    known = [part for part in (url.replace("--", "%2D%2D"), language, kind, reason) if part]
    facts = f"<!-- {' · '.join(known)} -->"
    if not isinstance(result, Extracted):
        return f"{facts}\n"
    parts = [facts, *(_markdown(block) for block in result.blocks)]
    if result.dropped:
        parts.append("---\n\nDropped:")
        parts += [f"> **{why}**\n" + _quoted(_markdown(block)) for block, why in result.dropped]
    return "\n\n".join(parts) + "\n"


def _markdown(block: Block) -> str:
    if block.image is not None:
        picture = f"![{_flat(block.image.alt_text)}](<{block.image.url.replace('>', '%3E')}>)"
        return f"{picture}\n\n*{_flat(block.image.caption)}*" if block.image.caption else picture
    text = block.text or ""
    if block.kind == "heading":
        return f"{'#' * (block.level or 2)} {_flat(text)}"
    if block.kind == "code":
        fence = "```" if "```" not in text else "`````"
        return f"{fence}\n{text}\n{fence}"
    if block.kind == "quote":
        return _quoted(text)
    return _markdown_table(text) if block.kind == "table" else text


def _markdown_table(text: str) -> str:
    rows = [[cell.replace("|", "\\|") for cell in line.split("\t")] for line in text.split("\n")]
    width = max(len(row) for row in rows)
    lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * width, *lines[1:]])


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.split("\n"))


def _flat(text: str | None) -> str:
    return " ".join((text or "").split()).replace("]", "\\]")


def to_html(result: PageResult, url: str, language: str | None = None, refused: str | None = None) -> str:
    """Return the page as an HTML article; all texts are escaped, images are loaded from their URLs."""
    kind, reason = outcome(result, refused)
    facts = " · ".join(part for part in (url, language, kind, reason) if part)
    title = result.title if isinstance(result, Extracted) and result.title else url
    parts = [f'<p class="facts">{html.escape(facts)}</p>']
    if isinstance(result, Extracted):
        parts += [_html(block) for block in result.blocks]
        if result.dropped:
            parts.append(f"<h2>Dropped blocks: {len(result.dropped)}</h2>")
        parts += [
            f'<div class="dropped"><span class="reason">{html.escape(why)}</span>{_html(block)}</div>'
            for block, why in result.dropped
        ]
    lang = f' lang="{html.escape(language)}"' if language else ""
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{_STYLE}</style>'
    return f"<!doctype html>\n<html{lang}><head>{head}</head>\n<body>\n" + "\n".join(parts) + "\n</body></html>\n"


def _html(block: Block) -> str:
    if block.image is not None:
        address, alt_text = html.escape(block.image.url), html.escape(block.image.alt_text or "")
        caption = f"<figcaption>{html.escape(block.image.caption)}</figcaption>" if block.image.caption else ""
        picture = f'<img src="{address}" alt="{alt_text}" loading="lazy" referrerpolicy="no-referrer">'
        return f"<figure>{picture}{caption}</figure>"
    text = html.escape(block.text or "")
    if block.kind == "heading":
        level = block.level or 2
        return f"<h{level}>{text}</h{level}>"
    if block.kind == "table":
        rows = ("<tr>" + "".join(f"<td>{cell}</td>" for cell in row.split("\t")) + "</tr>" for row in text.split("\n"))
        return f"<table>{''.join(rows)}</table>"
    if block.kind in ("code", "list"):
        return f"<pre>{text}</pre>"
    paragraph = "<p>" + text.replace("\n", "<br>") + "</p>"
    return f"<blockquote>{paragraph}</blockquote>" if block.kind == "quote" else paragraph
