"""The check of an archive as a table for people and as plain JSON."""

from dataclasses import asdict
from typing import Any

from harness.data.rows import SPLITS
from harness.data.trace.check import SizeReport, Source, SplitReport, TaskReport

LEGEND = (
    "rows: * differs from the published file, ~ its number is inferred, ? its number is unknown\n"
    "prompts: different ones in train; "
    "tr>te, tr>ev, ev>te: those that two splits share; "
    "majority: most frequent test answer"
)
_HEADER = ("task", "train", "eval", "test", "prompts", "tr>te", "tr>ev", "ev>te", "majority")
NONE = "\N{EN DASH}"
_SHOWN_FROM = 0.05


def as_text(report: SizeReport) -> str:
    """The table of one size, its notes below."""
    rows = [_HEADER, *(_line(task, found) for task, found in report.tasks.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    lines = [f"TRACE {report.size}"]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    lines += [f"note: {line}" for line in report.notes]
    return "\n".join(lines)


def _line(task: str, found: TaskReport) -> tuple[str, ...]:
    shared = [found.shared.get(pair) for pair in ("train-test", "train-eval", "eval-test")]
    train = found.splits.get("train")
    return (
        task,
        *(_rows(found.splits.get(split)) for split in SPLITS),
        str(train.prompts) if train else NONE,
        *(str(pair.prompts) if pair else NONE for pair in shared),
        _majority(found),
    )


def _rows(part: SplitReport | None) -> str:
    if part is None:
        return NONE
    marks = {Source.inferred: "~", Source.unknown: "?"}
    return f"{part.rows}{'*' if part.differs else marks.get(part.source, '')}"


def _majority(found: TaskReport) -> str:
    """Only where an answer is frequent: of summaries none is."""
    most = found.majority
    if most is None or most.share < _SHOWN_FROM:
        return NONE
    shown = most.answer if len(most.answer) <= 12 else most.answer[:11] + "…"
    return f"{shown.strip() or 'empty'} {100 * most.share:.0f}%"


def as_json(report: SizeReport) -> dict[str, Any]:
    """The report as plain JSON; `deviations` and `notes` are the lines of the text."""
    return asdict(report)
