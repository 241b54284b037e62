"""A figure as files: PDF and SVG for papers, PNG for looking, the same bytes each time.

Titles and hashes are metadata and not in the picture. Widths are those of a column and of a page of
two columns; no text is smaller than 7 points there.
"""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN, PAGE = 3.35, 6.9  # inches
SMALL = 7  # points
# Safe for the common colour blindnesses (Okabe and Ito), with marks of their own for print in grey.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#000000")
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
_DPI = 200
_LOOK = {
    **dict.fromkeys(("font.size", "axes.labelsize", "xtick.labelsize", "ytick.labelsize"), SMALL),
    **dict.fromkeys(("legend.fontsize", "axes.titlesize"), SMALL),
    **{"axes.linewidth": 0.6, "lines.linewidth": 1.0, "lines.markersize": 3},
    **{"svg.fonttype": "path", "pdf.fonttype": 42, "axes.spines.top": False},
    **{"axes.spines.right": False, "legend.frameon": False, "xtick.major.width": 0.6},
    **{"ytick.major.width": 0.6, "font.sans-serif": ["DejaVu Sans"]},
}


@contextmanager
def look(salt: str) -> Iterator[None]:
    """How figures look that are made and saved in here. salt: what names in an SVG are made of."""
    import matplotlib

    own = _LOOK | {"svg.hashsalt": salt}
    with matplotlib.rc_context(own), warnings.catch_warnings():
        # A letter that the font lacks is drawn as a box.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def figure_of(width: float, height: float) -> "Figure":
    """An empty one, in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def saved(figure: "Figure", title: str, digest: str) -> dict[str, bytes]:
    """Suffix -> file. digest: of the table of scores."""
    source = f"scores table sha256 {digest}"
    metadata: dict[str, dict[str, Any]] = {
        "pdf": {"Title": title, "Subject": source, "Creator": None, "Producer": None},
        "svg": {"Title": title, "Description": source, "Creator": None, "Date": None},
        "png": {"Title": title, "Description": source, "Software": None},
    }
    metadata["pdf"]["CreationDate"] = None
    found = {}
    for suffix, about in metadata.items():
        file = io.BytesIO()
        figure.savefig(file, format=suffix, metadata=about)
        found[suffix] = file.getvalue()
    return found


def rows_and_columns(count: int, most: int) -> tuple[int, int]:
    """Of a panel of so many small plots, at most so many of them beside each other."""
    columns = min(count, most)
    return -(-count // columns), columns


def hide_rest(axes: "Sequence[Axes]", used: int) -> None:
    """Places of a panel that nothing is in."""
    for one in axes[used:]:
        one.set_axis_off()
