"""`harness paper`: TRACE's tables, figures and findings, ours beside the published ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.errors import ConfigError, DataError, suggest
from harness.files import write_atomically
from harness.metrics.arguments import Arguments
from harness.report.paper.claims import Answer, check
from harness.report.paper.ours import PROTOCOL, Ours
from harness.report.paper.plots import op_bwt_png, stages_png
from harness.report.paper.published import Published, read_published
from harness.report.paper.tables import RUNS, paper_tables, run_names
from harness.report.schema import read_scores, scores_digest
from harness.report.table import Heading, Points, Table, grid, to_csv, to_latex, to_markdown

_DESCRIPTION = """\
Write every table and figure of TRACE's paper that has numbers, ours beside the published ones, the
definitions of OP and BWT in use, the calibration of stage 0, and the paper's findings as checks, on
the published numbers and on ours."""
NO_RUNS = Ours((), ())


def main(argv: list[str]) -> int:
    """Write all of it, print the findings and the folder; return 0 or raise."""
    options = _parser().parse_args(argv)
    published = read_published(options.published)
    ours, digest = _ours(options.scores, options.protocol)
    claims = claims_table(published, ours, digest)
    written = list(write_paper(published, ours, digest, options.out))
    print(grid(claims))
    if ours.runs and not ours.comparable:
        print(f"no complete run under the protocol {ours.protocol} is in the table of scores")
    print(f"wrote {len(written)} files to {options.out}")
    return 0


def write_paper(published: Published, ours: Ours, digest: str, out: Path) -> Iterator[Path]:
    """Write tables as Markdown, CSV and LaTeX and pictures as PNG; yields each path."""
    tables = [*paper_tables(published, ours, digest), claims_table(published, ours, digest)]
    for table in tables:
        for suffix, text in (("md", to_markdown), ("csv", to_csv), ("tex", to_latex)):
            yield write_atomically(out / f"{table.label}.{suffix}", text(table))
    yield write_atomically(out / "figure_op_bwt.png", op_bwt_png(published, ours))
    curve = stages_png(ours, "bbh")
    if curve is not None:
        yield write_atomically(out / "figure4_bbh.png", curve)


def claims_table(published: Published, ours: Ours, digest: str) -> Table:
    """Every finding and model: the answer of the published numbers and of ours."""
    headings = (
        Heading("Finding", "claim"),
        Heading("Source", "source"),
        Heading("Model", "model"),
        Heading("Published", "published", True, True),
        Heading("Verdict", "published_verdict"),
        Heading("Ours", "ours", True, True),
        Heading("Our verdict", "our_verdict"),
        RUNS,
    )
    pairs = zip(check(published, None), check(published, ours), strict=True)
    rows = tuple(
        (
            a.claim.text,
            a.claim.source,
            a.model,
            _points(a),
            a.verdict,
            _points(b),
            b.verdict if b.difference is not None else "not run",
            run_names(b.runs),
        )
        for a, b in pairs
    )
    caption = (
        "The difference that a finding says is positive (or small), in points, with its standard "
        "error; it holds or fails beyond two of them, else it is undecided. Errors of published "
        "numbers are those of their finite test sets."
    )
    return Table("TRACE's findings", headings, rows, caption, "claims", digest)


def _points(answer: Answer) -> Points:
    scaled = [None if x is None else 100 * x for x in (answer.difference, answer.error)]
    return Points(*scaled)


def _ours(path: Path | None, protocol: str | None) -> tuple[Ours, str]:
    """The runs of the tidy table; none where no table was named and none is there yet."""
    default = Path("results/scores.csv")
    if path is None and not default.is_file():
        return NO_RUNS, "none"
    frame = read_scores(path or default)
    if frame.empty:
        raise DataError(f"{path or default}: the table of scores is empty")
    ours = Ours.of(frame, protocol or PROTOCOL)
    known = sorted({run.protocol or "" for run in ours.runs})
    if protocol is not None and protocol not in known:
        raise ConfigError(f"--protocol: no run under '{protocol}'" + suggest(protocol, known))
    return ours, scores_digest(frame)


def _parser() -> Arguments:
    parser = Arguments(prog="harness paper", description=_DESCRIPTION)
    out = Path("results/tables/paper")
    parser.add_argument("--scores", type=Path, help="table of scores (results/scores.csv)")
    told = f"protocol of the runs that stand beside the paper's ({PROTOCOL})"
    parser.add_argument("--protocol", help=told)
    parser.add_argument("--out", type=Path, default=out, help=f"folder to write to ({out})")
    parser.add_argument("--published", type=Path, help="published numbers (those shipped)")
    return parser
