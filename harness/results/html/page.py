"""The whole page: its parts one behind the other, and what it may do."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from harness.results.html.markup import Html, element, escaped

_HERE = Path(__file__).parent
_STYLES = ("report.css",)
_SCRIPTS = ("pages.js", "sorting.js", "texts.js", "browser.js", "item.js")
_PAGES = {
    "overview": "Overview",
    "matrices": "Scores by stage",
    "figures": "Figures",
    "anatomy": "Anatomy",
    "runs": "Runs",
    "predictions": "Predictions",
    "claims": "Claims",
}


def page(title: str, sections: Sequence[Html], data: Html, told: Sequence[str]) -> Html:
    """A document. told: lines below its title; data: what scripts read.

    The policy lets nothing in but this style, this script and pictures that are written in it.
    """
    style, script = _assets(_STYLES), _assets(_SCRIPTS)
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        # The policy holds hashes in quotes that an attribute in double quotes may hold as they are.
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        element("style", Html(style)),
    )
    body = element(
        "body",
        element("a", "Skip to the content", href="#main", class_="skip"),
        element(
            "header",
            element("h1", title),
            *(element("p", line, class_="note") for line in told),
            _navigation(sections),
        ),
        element("main", *sections, id="main", tabindex="-1"),
        data,
        element("script", Html(script)),
    )
    return Html(f'<!doctype html>\n<html lang="en">{head}{body}</html>\n')


def _navigation(sections: Sequence[Html]) -> Html:
    there = {name: label for name, label in _PAGES.items() if any(_is(s, name) for s in sections)}
    links = (element("a", label, href=f"#{name}") for name, label in there.items())
    listed = element("ul", *(element("li", link) for link in links))
    return element("nav", listed, id="pages", aria_label="Pages")


def _is(part: Html, name: str) -> bool:
    return f' id="{escaped(name)}"' in part[: part.find(">")]


def _assets(names: Sequence[str]) -> str:
    return "\n".join((_HERE / name).read_text(encoding="utf-8") for name in names)


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
