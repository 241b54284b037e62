"""Columns of texts that are wider or narrower than their number of characters."""

from harness.cli.columns import aligned, cut, width


def test_wide_characters_take_two_columns() -> None:
    assert (width("漢字"), width("abc"), width("e\u0301")) == (4, 3, 1)
    assert aligned([("漢字", "1"), ("abc", "22")], frozenset({1})) == "漢字   1\nabc   22"
    assert cut("漢字漢字", 8) == "漢字漢字"
    assert cut("漢字漢字", 7) == "漢字漢…"
    assert cut("漢字漢字", 6) == "漢字…"
    assert cut("abc", 2) == "a…"
