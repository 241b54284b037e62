"""The page of what forgetting is made of: the figures that `anatomy` has written."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape
from pathlib import Path

from harness.errors import DAMAGED
from harness.results.html.markup import Html, element, section
from harness.store.files import regular_text

_MOST, _LARGEST = 60, 4_000_000  # figures, and bytes of one
_TITLE = re.compile(r"<title>([^<]*)</title>")


@dataclass(frozen=True)
class Anatomy:
    """The page, null where there are no figures, and a line for each that is not in it."""

    page: Html | None
    gaps: tuple[str, ...] = ()


def anatomy(folder: Path | None, names: Mapping[str, str], digest: str) -> Anatomy:
    """Figures of a folder, as pictures, in which nothing runs. names: run -> what the page calls
    it; digest: of the table of scores that the report is made of."""
    places = sorted(folder.glob("*.svg")) if folder else []
    gaps = [f"the page of anatomy holds the first {_MOST} figures"] if places[_MOST:] else []
    shown = []
    for place in places[:_MOST]:
        try:
            shown.append(_figure(place, _picture(place), names, digest))
        except DAMAGED:
            gaps.append(
                f"{place.name} of the anatomy is no figure, or larger than {_LARGEST} bytes"
            )
    told = "What forgetting is made of; its tables were written beside these figures."
    note = element("p", told, class_="note")
    return Anatomy(section("anatomy", "Anatomy", note, *shown) if shown else None, tuple(gaps))


def _picture(place: Path) -> str:
    """The text of an SVG. Raises one of DAMAGED for what is none."""
    if place.stat().st_size > _LARGEST:
        raise ValueError("too large")
    text = regular_text(place)
    if "<svg" not in text:
        raise ValueError("no SVG")
    return text


def _figure(place: Path, text: str, names: Mapping[str, str], digest: str) -> Html:
    title = unescape(found[1]) if (found := _TITLE.search(text)) else place.stem
    whose = [f"{name} ({run})" for run, name in names.items() if place.stem.endswith(f"_{run[:8]}")]
    caption = ": ".join([title, *whose[:1]])
    source = f"data:image/svg+xml;base64,{base64.b64encode(text.encode()).decode()}"
    current = f"scores table sha256 {digest}" in text
    note = element("p", "Drawn from another table of scores than this report.", class_="note")
    image = element("img", src=source, alt=caption)
    return element("figure", element("figcaption", caption), image, "" if current else note)
