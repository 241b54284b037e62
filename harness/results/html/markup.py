"""HTML from parts: what is not HTML already is escaped, so that no text can become markup."""

import html
import re
from collections.abc import Iterable

# What HTML cannot hold, or reads as something else: NUL, other controls, halves of a character.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# Marks that turn the direction of what stands around them (Unicode TR 9, section 2).
_TURNING = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c]")
_VOID = ("meta", "link", "img", "input", "br")


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def escaped(part: object) -> Html:
    """A part of a page: HTML as it is, anything else as text that shows itself and does nothing.

    Controls become U+FFFD and turning marks their code in brackets: neither may hide or reorder
    what stands beside them.
    """
    if isinstance(part, Html):
        return part
    text = _TURNING.sub(lambda mark: f"[U+{ord(mark[0]):04X}]", str(part))
    return Html(html.escape(_UNFIT.sub("\ufffd", text), quote=True))


def joined(parts: Iterable[object]) -> Html:
    """Parts one behind the other."""
    return Html("".join(escaped(part) for part in parts))


def element(name: str, /, *parts: object, **attributes: object) -> Html:
    """`<name attributes>parts</name>`. An attribute's last `_` is dropped and the others are `-`;
    None and False leave it out, True gives it no value."""
    told = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escaped(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Html(f"<{name}{told}>")
    return Html(f"<{name}{told}>{joined(parts)}</{name}>")


def section(id_: str, title: str, *parts: object) -> Html:
    """A page of the report: navigation shows it under its id."""
    heading = element("h2", title, id=f"{id_}-title", tabindex="-1")
    return element(
        "section", heading, *parts, id=id_, class_="page", aria_labelledby=f"{id_}-title"
    )
