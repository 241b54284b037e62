"""Write the tables, figures and findings of the paper."""

from collections.abc import Iterator
from pathlib import Path

from harness.results.paper.claims import Answer, check
from harness.results.paper.ours import Ours
from harness.results.paper.plots import op_bwt, stages
from harness.results.paper.published import Published
from harness.results.paper.records import records_table
from harness.results.paper.tables import RUNS, paper_tables, run_names
from harness.results.report.latex import to_latex
from harness.results.report.printing import Heading, Points, Table, to_csv, to_markdown
from harness.store.files import write_atomically

NO_RUNS = Ours((), ())


def write_paper(published: Published, ours: Ours, digest: str, out: Path) -> Iterator[Path]:
    """Write tables and pictures, each in three formats; yields each path."""
    tables = [*paper_tables(published, ours, digest), claims_table(published, ours, digest)]
    tables.append(records_table(ours, digest))
    for table in tables:
        for suffix, text in (("md", to_markdown), ("csv", to_csv), ("tex", to_latex)):
            yield write_atomically(out / f"{table.label}.{suffix}", text(table))
    drawn = {
        "figure_op_bwt": op_bwt(published, ours, digest),
        "figure4_bbh": stages(ours, "bbh", digest),
    }
    for name, files in drawn.items():
        for suffix, content in (files or {}).items():
            yield write_atomically(out / f"{name}.{suffix}", content)


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
