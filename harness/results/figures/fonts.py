"""Fonts in PDFs: one is cut to the usual characters once, and not anew for each figure, which is a
fifth of what a small one takes."""

import string
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import IO, Any

# A fixed set: the bytes of a figure depend on nothing that was drawn before it.
_USUAL = string.ascii_letters + string.digits + string.punctuation + " "
_USUAL += "\N{PLUS-MINUS SIGN}\N{GREEK CAPITAL LETTER DELTA}\N{MINUS SIGN}\N{NO-BREAK SPACE}"
_USUAL += "\N{EN DASH}\N{HORIZONTAL ELLIPSIS}\N{RIGHTWARDS ARROW}\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True)
class _Cut:
    """What matplotlib takes of a font that was cut."""

    data: bytes
    glyph_index_map: Mapping[int, int]

    @property
    def font(self) -> "_Cut":
        return self

    def save(self, file: IO[bytes], reorderTables: bool = False) -> None:
        """As a font of fontTools does it."""
        file.write(self.data)


@contextmanager
def cut_once() -> Iterator[None]:
    """In here fonts of PDFs are cut as above; those with other glyphs, and those of versions of
    matplotlib that do it in another way, as matplotlib does."""
    from matplotlib.backends import _backend_pdf_ps as parts

    own = parts.get_glyphs_subset
    if not hasattr(parts, "SubsetResults"):
        yield
        return

    def subset(file: Any, glyphs: Iterable[int]) -> Any:
        wanted = {*glyphs}
        return nullcontext(_usual(file, own)) if wanted <= _glyphs(file) else own(file, wanted)

    parts.get_glyphs_subset = subset
    try:
        yield
    finally:
        parts.get_glyphs_subset = own


@cache
def _glyphs(file: Any) -> frozenset[int]:
    """Of the usual characters, those of a font."""
    from matplotlib.font_manager import get_font

    font = get_font(file)
    return frozenset(font.get_char_index(ord(letter)) for letter in _USUAL)


@cache
def _usual(file: Any, own: Any) -> _Cut:
    """A font with the usual characters alone."""
    from matplotlib.backends._backend_pdf_ps import font_as_file

    with own(file, {*_glyphs(file)}) as cut:
        return _Cut(font_as_file(cut.font).getvalue(), dict(cut.glyph_index_map))
