"""`harness paper`: TRACE's tables, figures and findings, ours beside the published ones."""

from pathlib import Path

from harness.cli.arguments import Arguments, results_folder, scores_file
from harness.cli.say import say
from harness.errors import ConfigError, DataError, suggest
from harness.results.paper.ours import PROTOCOL, Ours
from harness.results.paper.published import read_published
from harness.results.paper.write import NO_RUNS, claims_table, write_paper
from harness.results.report.printing import grid
from harness.results.schema import read_scores

_DESCRIPTION = """\
Write every table and figure of TRACE's paper that has numbers, ours beside the published ones, the
definitions of OP and BWT in use, the calibration of stage 0, and the paper's findings as checks, on
the published numbers and on ours."""


def main(argv: list[str]) -> int:
    """Write all of it, print the findings and the folder; return 0 or raise."""
    options = _parser().parse_args(argv)
    published = read_published(options.published)
    ours, digest = _ours(options.scores, options.protocol)
    claims = claims_table(published, ours, digest)
    written = list(write_paper(published, ours, digest, options.out))
    say(grid(claims))
    if ours.runs and not ours.comparable:
        say(f"no complete run under the protocol {ours.protocol} is in the table of scores")
    say(f"wrote {len(written)} files to {options.out}")
    return 0


def _ours(path: Path | None, protocol: str | None) -> tuple[Ours, str]:
    """The runs of the tidy table; none where no table was named and none is there yet."""
    default = scores_file()
    if path is None and not default.is_file():
        return NO_RUNS, "none"
    scores = read_scores(path or default)
    if not scores.rows:
        raise DataError(f"{path or default}: the table of scores is empty")
    ours = Ours.of(scores, protocol or PROTOCOL)
    known = sorted({run.protocol or "" for run in ours.runs})
    if protocol is not None and protocol not in known:
        raise ConfigError(f"--protocol: no run under '{protocol}'" + suggest(protocol, known))
    return ours, scores.digest


def _parser() -> Arguments:
    parser = Arguments(prog="harness paper", description=_DESCRIPTION)
    out = results_folder() / "tables" / "paper"
    parser.add_argument("--scores", type=Path, help=f"table of scores ({scores_file()})")
    told = f"protocol of the runs that stand beside the paper's ({PROTOCOL})"
    parser.add_argument("--protocol", help=told)
    parser.add_argument("--out", type=Path, default=out, help=f"folder to write to ({out})")
    parser.add_argument("--published", type=Path, help="published numbers (those shipped)")
    return parser
