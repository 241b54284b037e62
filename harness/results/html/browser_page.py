"""The page that shows predictions: its controls; what they show is made by browser.js."""

import json

from harness.results.html.markup import Html, element, joined, section
from harness.results.html.predictions import TEXT_LIMIT, Browser
from harness.results.items.sheets import RIGHT

_STATES = {
    "": "all",
    "right": "right",
    "wrong": "wrong",
    "lost": "lost: right at the stage before, wrong now",
    "gained": "gained: wrong at the stage before, right now",
    "format": "format only: wrong, right if read leniently",
}


def browser_section(made: Browser) -> Html:
    """Filters, a table of 50 predictions at a time, and a dialog with one item's answers."""
    if not made.count:
        return section("predictions", "Predictions", element("p", "No predictions are known."))
    return section(
        "predictions",
        "Predictions",
        element("noscript", element("p", "Predictions are shown by a script of this page.")),
        _controls(),
        element("p", "", id="count", role="status", aria_live="polite"),
        element("div", id="list", class_="scroll", role="region", tabindex="0", aria_label="List"),
        _turning(),
        element("p", _explained(), class_="note"),
        _dialog(),
    )


def browser_data(made: Browser) -> Html:
    """The index and the pieces: data that no browser runs. "<" is written as \\u003c."""
    if not made.count:
        return Html("")
    index = {**made.index, "right": RIGHT}
    text = Html(json.dumps(index).replace("<", "\\u003c"))
    parts = [element("script", text, type="application/json", id="index")]
    parts += [
        element("script", Html(piece), type="text/plain", id=f"piece-{at}")
        for at, piece in enumerate(made.pieces)
    ]
    return joined(parts)


def _controls() -> Html:
    states = (element("option", told, value=value) for value, told in _STATES.items())
    search = element("input", type="search", id="search", autocomplete="off", spellcheck="false")
    return element(
        "form",
        _labelled("Run", element("select", id="run")),
        _labelled("Task or benchmark", element("select", id="task")),
        _labelled("Stage", element("select", id="stage")),
        _labelled("Answers", element("select", *states, id="state")),
        _labelled("Text in prompt, reference or answer", search),
        element("button", "Clear filters", type="reset"),
        id="filters",
        role="search",
        aria_label="Filters",
    )


def _labelled(label: str, control: Html) -> Html:
    return element("label", element("span", label), control)


def _turning() -> Html:
    return element(
        "nav",
        element("button", "Previous", type="button", id="previous"),
        element("span", "", id="place"),
        element("button", "Next", type="button", id="next"),
        aria_label="Pages of predictions",
        class_="turning",
    )


def _explained() -> str:
    return (
        f"An item is right from a score of {RIGHT:g} on; the stage before is the last earlier one "
        "at which the run has scores of it, or stage 0 where every stage is trained from the "
        f"initial model. Texts are cut at {TEXT_LIMIT:,} characters. Control "
        "characters and marks that turn the direction of text are shown as their codes."
    )


def _dialog() -> Html:
    close = element("button", "Close", type="button", id="close")
    title = element("h3", "", id="item-title", tabindex="-1")
    head = element("header", title, close)
    body = element("div", id="item")
    return element("dialog", head, body, id="detail", aria_labelledby="item-title")
