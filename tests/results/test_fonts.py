"""Fonts of PDFs have the outlines of the font that they are cut from, whatever was drawn before."""

import io
import re
import zlib

import matplotlib
import pytest
from fontTools.pens.recordingPen import RecordingPen
from fontTools.ttLib import TTFont
from matplotlib.backends import _backend_pdf_ps

from harness.results.figures.fonts import cut_once
from harness.results.figures.saved import figure_of, look, saved

_WHOLE = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"


def pdf(text: str) -> bytes:
    with look("d"):
        figure = figure_of(1, 1)
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.text(0.1, 0.5, text)
        return saved(figure, "A text", "d")["pdf"]


def streams(content: bytes) -> list[bytes]:
    found = re.findall(rb"FlateDecode.*?stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL)
    return [zlib.decompress(packed) for packed in found]


def outline(font: TTFont, name: str) -> list[tuple]:
    pen = RecordingPen()
    font.getGlyphSet()[name].draw(pen)
    return pen.value


def test_letters_are_those_of_the_font() -> None:
    parts = streams(pdf("Total 14.5 -> Abc"))
    [font] = [TTFont(io.BytesIO(part)) for part in parts if part[:4] == b"\x00\x01\x00\x00"]
    # Of each code up to the last, two bytes.
    [glyphs] = [part for part in parts if len(part) == 2 * (ord("t") + 1)]
    whole = TTFont(_WHOLE)
    for letter in "Total14.5->Abc":
        at = int.from_bytes(glyphs[2 * ord(letter) : 2 * ord(letter) + 2])
        drawn = outline(font, font.getGlyphOrder()[at])
        assert drawn == outline(whole, whole.getBestCmap()[ord(letter)]) != []


def test_a_font_is_cut_once_unless_other_letters_are_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cut, own = [], _backend_pdf_ps.get_glyphs_subset
    counted = lambda file, glyphs: cut.append(1) or own(file, glyphs)  # noqa: E731
    monkeypatch.setattr(_backend_pdf_ps, "get_glyphs_subset", counted)
    first = pdf("abc")
    assert pdf("xyz ± 1") != first
    assert pdf("abc") == first
    assert len(cut) == 1
    pdf("Ж")
    assert len(cut) == 2
    with cut_once():
        assert _backend_pdf_ps.get_glyphs_subset is not counted
    assert _backend_pdf_ps.get_glyphs_subset is counted
