"""A figure as files: PDF and SVG for papers, PNG for looking, the same bytes each time.

Titles and hashes are metadata and not in the picture. Widths are those of a column and of a page of
two columns; no text is smaller than 7 points there.
"""

import hashlib
import io
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMN, PAGE = 3.35, 6.9  # inches
SMALL = 7  # points
SUFFIXES = ("pdf", "svg", "png")
# Safe for the common colour blindnesses (Okabe and Ito), with marks of their own for print in grey.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#000000")
MARKS = ("o", "s", "^", "D", "v", "P", "X", "<")
_DPI = 200
_OWN = len(COLORS)
_WANTED: ContextVar[tuple[str, ...]] = ContextVar("suffixes", default=SUFFIXES)
_LETTER = 0.063  # inches that a letter of this size takes, on average and a little more
_LOOK = {
    **dict.fromkeys(("font.size", "axes.labelsize", "xtick.labelsize", "ytick.labelsize"), SMALL),
    **dict.fromkeys(("legend.fontsize", "axes.titlesize"), SMALL),
    **{"axes.linewidth": 0.6, "lines.linewidth": 1.0, "lines.markersize": 3},
    **{"svg.fonttype": "path", "pdf.fonttype": 42, "axes.spines.top": False},
    **{"axes.spines.right": False, "legend.frameon": False, "xtick.major.width": 0.6},
    **{"ytick.major.width": 0.6, "font.sans-serif": ["DejaVu Sans"]},
    "text.parse_math": False,  # names are no mathematics
    "axes.titley": 1.0,  # where measuring all that is above the axes would put it
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


@contextmanager
def only(*suffixes: str) -> Iterator[None]:
    """In here figures are saved as these alone."""
    token = _WANTED.set(suffixes)
    try:
        yield
    finally:
        _WANTED.reset(token)


def figure_of(width: float, height: float) -> "Figure":
    """An empty one, in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def saved(figure: "Figure", title: str, digest: str) -> dict[str, bytes]:
    """Suffix -> file. digest: of the table of scores."""
    source = source_of(digest)
    metadata: dict[str, dict[str, Any]] = {
        "pdf": {"Title": title, "Subject": source, "Creator": None, "Producer": None},
        "svg": {"Title": title, "Description": source, "Creator": None, "Date": None},
        "png": {"Title": title, "Description": source, "Software": None},
    }
    metadata["pdf"]["CreationDate"] = None
    figure.get_layout_engine().execute(figure)
    figure.set_layout_engine("none")  # parts stay where they are now, whatever the format
    _fix_labels(figure)
    return {suffix: _printed(figure, suffix, metadata[suffix]) for suffix in _WANTED.get()}


def _fix_labels(figure: "Figure") -> None:
    """Have titles of axes stay where they are, which each format would look for by measuring all
    numbers beside them."""
    back, renderer = figure.transFigure.inverted(), figure.canvas.get_renderer()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            label = axis.label
            if label.get_text():
                axis.get_tightbbox(renderer)  # which puts the title where it has to be
            place = back.transform(label.get_transform().transform(label.get_position()))
            axis.set_label_coords(*place, transform=figure.transFigure)


def source_of(digest: str) -> str:
    """What a figure's metadata say that it was made from."""
    return f"scores table sha256 {digest}, drawn by {_drawn_by()}"


def is_current(base: Path, digest: str) -> bool:
    """Whether the files of a figure (without their suffixes) are those that would be drawn now."""
    told = source_of(digest).encode()
    files = [base.with_name(f"{base.name}.{suffix}") for suffix in SUFFIXES]
    return all(file.is_file() and told in file.read_bytes() for file in files)


@cache
def _drawn_by() -> str:
    """What a picture hangs on beside its numbers: this code and the version of matplotlib."""
    found = hashlib.sha256(version("matplotlib").encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()[:8]


def _printed(figure: "Figure", suffix: str, metadata: dict[str, Any]) -> bytes:
    """By the format's own method: `savefig` would draw everything once more to find its extent."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    file = io.BytesIO()
    if suffix == "pdf":
        FigureCanvasPdf(figure).print_pdf(file, metadata=metadata)
    elif suffix == "svg":
        FigureCanvasSVG(figure).print_svg(file, metadata=metadata)
    else:
        FigureCanvasAgg(figure).print_png(file, metadata=metadata)
    figure.set_dpi(_DPI)  # which printing as vectors sets to that of points
    return file.getvalue()


def style(at: int) -> dict[str, Any]:
    """Colour and mark of the at-th of several things, another one for each of the first 64."""
    color, lap = COLORS[at % _OWN], at // _OWN
    inside = {"markerfacecolor": "white"} if lap % 2 else {}
    return {"color": color, "marker": MARKS[(at + lap) % _OWN], **inside}


def named(name: str, inches: float = COLUMN) -> str:
    """A name of a user's as a text of two lines at most."""
    lines = textwrap.wrap(name, max(8, int(inches / _LETTER))) or [""]
    text = "\n".join([*lines[:2]]) + ("…" if len(lines) > 2 else "")
    return f" {text}" if text.startswith("_") else text  # which matplotlib would leave out


def legend_below(figure: "Figure", handles: Sequence[Any], names: Sequence[str]) -> None:
    """A legend below all, in as many columns as fit."""
    width = figure.get_size_inches()[0]
    columns, labels = _legend(names, width)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def legend_height(names: Sequence[str], width: float) -> float:
    """Inches that it takes below a figure of this width."""
    columns, labels = _legend(names, width)
    lines = max(label.count("\n") + 1 for label in labels)
    return 0.1 + 0.15 * lines * -(-len(labels) // columns)


def _legend(names: Sequence[str], width: float) -> tuple[int, list[str]]:
    """How many columns fit, and the names as they stand in them."""
    labels = [named(name, width - 0.5) for name in names]
    longest = max(len(line) for label in labels for line in label.splitlines())
    fitting = int(width / (_LETTER * longest + 0.42))
    return max(1, min(fitting, len(labels), 5)), labels


def rows_and_columns(count: int, most: int) -> tuple[int, int]:
    """Of a panel of so many small plots, at most so many of them beside each other."""
    rows = -(-count // most)
    return rows, -(-count // rows)


def outer_labels(axes: Any, used: int, across: str, up: str) -> None:
    """Titles and numbers at the left and below the lowest plot of every column, of a panel [rows,
    columns] whose first `used` places are plots; the others are hidden."""
    columns = axes.shape[1]
    for at, one in enumerate(axes.ravel()):
        column = at % columns
        lowest = at < used <= at + columns
        one.tick_params(labelbottom=lowest, labelleft=column == 0)
        one.set_xlabel(across if lowest else "")
        one.set_ylabel("" if column else up)
        if at >= used:
            one.set_axis_off()
