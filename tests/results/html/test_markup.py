"""Text never becomes markup, and pictures are what their numbers say."""

import html
import re
from html.parser import HTMLParser

import pytest

from harness.results.html.curves import HEIGHT, Series, curve
from harness.results.html.markup import Html, element, escaped, joined
from harness.results.html.page import page
from harness.results.html.tables import heat_table, shown_table
from harness.results.report.printing import Heading, Points, Table

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    "<!--",
    "&lt;b&gt;",
)


class Read(HTMLParser):
    """The tags and the text that a reader of HTML finds."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("text", HOSTILE)
def test_text_and_attributes_stay_text(text):
    read = Read(element("p", text, title=text))
    assert read.tags == ["p"]
    assert read.attributes == [("title", text)]
    assert read.text == text


def test_what_turns_or_hides_text_shows_itself():
    assert escaped("a\x00b\ud800c\x07") == "a\ufffdb\ufffdc\ufffd"
    assert escaped("abc\u202ecba") == "abc[U+202E]cba"
    assert escaped("two\nlines\tand a tab") == "two\nlines\tand a tab"


def test_html_is_not_escaped_twice():
    inner = element("b", "<")
    assert element("p", inner, " & ", Html("&amp;")) == "<p><b>&lt;</b> &amp; &amp;</p>"
    assert joined(("<", inner)) == "&lt;<b>&lt;</b>"


def test_attributes_that_are_off_are_left_out():
    assert element("input", type="search", disabled=True, name=None, hidden=False) == (
        '<input type="search" disabled>'
    )


def table(*rows) -> Table:
    headings = (Heading("Name", "name"), Heading("Kind", "kind"), Heading("<OP>", "op", True, True))
    return Table("T", headings, rows, "what it is", "t", "d", ("a <note>",))


def test_a_table_says_what_it_is_sorted_by():
    text = shown_table(table(("<b>", "x", Points(48.66, 1.0)), ("c", "y", Points(None))))
    read = Read(text)
    assert "48.7 ± 1.0" in read.text
    assert "b" not in read.tags
    assert "a <note>" in read.text
    assert re.findall(r'data-v="([^"]*)"', text) == ["48.66"]
    assert text.count('aria-sort="none"') == 3


@pytest.mark.parametrize(
    ("value", "shade"), [(0.0, "h0"), (44.0, "h4"), (46.0, "h5"), (100.0, "h10")]
)
def test_heat_follows_the_score(value, shade):
    text = heat_table(table(("a", "b", Points(value))))
    assert f'class="num {shade}"' in text


def test_a_score_that_is_not_there_has_no_heat():
    assert not re.search(r'class="num h\d', heat_table(table(("a", "b", Points(None)))))


def heights(picture: str) -> list[list[float]]:
    """The heights of the points of every line, from the bottom of the picture up."""
    lines = re.findall(r'points="([^"]*)"', picture)
    return [[HEIGHT - float(point.split(",")[1]) for point in line.split()] for line in lines]


def test_a_curve_is_as_high_as_its_values():
    (first, second) = heights(curve("c", [Series("a", [0.0, 1.0, 2.0]), Series("b", [4.0])]))
    zero = first[0]
    assert first[1] - zero == pytest.approx((second[0] - zero) / 4, abs=0.1)
    assert first[2] - zero == pytest.approx((second[0] - zero) / 2, abs=0.1)


def test_a_logarithmic_curve_has_equal_steps_for_equal_factors():
    ((low, middle, high),) = heights(curve("c", [Series("a", [0.1, 1.0, 10.0])], log=True))
    assert middle - low == pytest.approx(high - middle, abs=0.1)


def test_long_curves_are_means_of_neighbours():
    ((first, *points),) = heights(curve("c", [Series("a", [0.0] * 6 + [1.0, 3.0] * 400)]))
    assert len(points) <= 160
    # Of six neighbours among 806 steps, three are 1 and three are 3; the last ones are fewer.
    assert {round(point - first) for point in points[1:-1]} == {round(160 * 2 / (3 * 1.05))}


@pytest.mark.parametrize("values", [[], [None, None]])
def test_no_values_give_no_picture(values):
    assert curve("c", [Series("a", values)]) == ""


def test_a_run_whose_losses_are_one_number_has_a_picture():
    assert heights(curve("c", [Series("a", [0.0, 0.0])])) != []
    assert heights(curve("c", [Series("a", [2.0])], log=True)) != []


def test_the_page_lets_nothing_in():
    text = page("<title>", [], Html(""), ["<told>"])
    read = Read(text)
    policy = dict(read.attributes)["content"]
    assert "default-src 'none'" in html.unescape(text)
    assert policy is not None
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text)
    assert "<told>" in read.text
