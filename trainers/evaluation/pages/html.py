"""HTML pages of pictures: self-contained, without scripts or external resources; all texts are escaped."""

from typing import Any

import jinja2


def render_page(template: str, **values: Any) -> str:
    """Return a page from a template of this folder; page_head.html.j2 is the head that they share."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("corpusloom.trainers.evaluation.pages", "."),
        autoescape=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value,
    )
    return environment.get_template(template).render(**values)


def visible(text: str) -> str:
    """Return a text with controls, bidi controls and lone surrogates written as escapes."""
    return (
        text
        if text.isprintable()
        else "".join(
            letter if letter.isprintable() or letter == "\n" else letter.encode("unicode_escape").decode()
            for letter in text
        )
    )
