"""The paper's findings as predicates over numbers: holds, fails or undecided.

A finding is a difference that the paper says is positive (or small), on each model. It holds where
the difference is more than two standard errors above its bound, fails where it is as far below it,
and is undecided between, or where a number is missing. The same predicates read the published
numbers and a tidy table of ours; finite test sets give the error of a published number.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from harness.results.measures.continual import Estimate
from harness.results.paper.ours import NAMES, Found, Ours
from harness.results.paper.published import Number, Published
from harness.store.scores import combined_error

HOLDS, FAILS, UNDECIDED = "holds", "fails", "undecided"
SIGMAS = 2.0
# Items of the published test sets, for the error of a printed rate: the six benchmarks as their
# publishers count them, judged prompts (175 + 300, and 178), tasks of TRACE's size 5000.
ITEMS = {
    **{"MMLU": 14042, "GSM8K": 1319, "BBH": 6511, "TyDiQA": 5077, "BoolQ": 3270, "PIQA": 1838},
    **{"C-STANCE": 2000, "FOMC": 496, "MeetingBank": 692, "Py150": 2000, "ScienceQA": 2000},
    **{"NumGLUE-cm": 81, "NumGLUE-ds": 325, "20Minuten": 200},
}
JUDGED_ITEMS = {"instruction": 475, "safety": 178}
OP_ERROR, BWT_ERROR = 0.008, 0.011  # of eight tasks; BWT is a difference of two such means

FIGURE_4 = "figure4"  # drawn, not printed: such numbers can only be ours

Lookup = Callable[[Number], Found]


@dataclass(frozen=True)
class Term:
    """`factor` times a number of the paper's, as the fields that find it."""

    factor: float
    table: str
    method: str
    column: str
    stage: int | None = None
    sequence: str | None = None
    suite: str | None = None


@dataclass(frozen=True)
class Claim:
    """sum of terms > bound (or |sum| < bound where `flat`), on every model the paper has."""

    name: str
    text: str
    source: str
    terms: tuple[Term, ...]
    bound: float = 0.0
    flat: bool = False


@dataclass(frozen=True)
class Answer:
    """One claim on one model."""

    claim: Claim
    model: str
    difference: float | None
    error: float | None
    verdict: str
    runs: tuple[str, ...] = ()


def _pair(table: str, more: str, less: str, column: str, **where: object) -> tuple[Term, Term]:
    return Term(1.0, table, more, column, **where), Term(-1.0, table, less, column, **where)  # type: ignore[arg-type]


def _change(method: str, benchmark: str, sign: float) -> tuple[Term, Term]:
    return (
        Term(sign, "table2", method, benchmark, stage=8),
        Term(-sign, "table2", "base", benchmark, stage=0),
    )


CLAIMS = (
    Claim(
        "lora_op",
        "OP of full fine-tuning is above that of one LoRA adapter",
        "section 4.3, table 1",
        _pair("table1", "SeqFT", "LoraSeqFT", "OP"),
    ),
    Claim(
        "lora_forgets",
        "one LoRA adapter forgets more than full fine-tuning",
        "section 4.3, table 1",
        _pair("table1", "SeqFT", "LoraSeqFT", "BWT"),
    ),
    Claim(
        "replay_op",
        "replay has a higher OP than sequential fine-tuning",
        "section 4.3, table 1",
        _pair("table1", "Replay", "SeqFT", "OP"),
    ),
    Claim(
        "replay_no_loss",
        "replay loses nothing on the tasks (BWT above -1 point)",
        "section 4.3, table 1",
        (Term(1.0, "table1", "Replay", "BWT"),),
        bound=-0.01,
    ),
    Claim(
        "seqft_forgets",
        "sequential fine-tuning forgets (BWT below 0)",
        "section 4.3, table 1",
        (Term(-1.0, "table1", "SeqFT", "BWT"),),
    ),
    Claim(
        "seqft_above_icl",
        "OP of sequential fine-tuning is above in-context learning",
        "section 4.3, table 1",
        _pair("table1", "SeqFT", "ICL", "OP"),
    ),
    *(
        Claim(
            f"gsm8k_down_{method.lower()}",
            f"{method} costs GSM8K",
            "section 4.4, table 2",
            _change(method, "GSM8K", -1.0),
        )
        for method in ("SeqFT", "LoraSeqFT", "Replay")
    ),
    Claim(
        "tydiqa_up",
        "full fine-tuning raises TyDiQA: training has Chinese and German tasks",
        "section 4.4, table 2",
        _change("SeqFT", "TyDiQA", 1.0),
    ),
    Claim(
        "piqa_flat",
        "PIQA stays within 5 points under full fine-tuning",
        "section 4.4, table 2",
        _change("SeqFT", "PIQA", 1.0),
        bound=0.05,
        flat=True,
    ),
    Claim(
        "bbh_down",
        "full fine-tuning costs BBH",
        "section 4.4, table 2",
        _change("SeqFT", "BBH", -1.0),
    ),
    Claim(
        "scienceqa_surge",
        "BBH rises when ScienceQA is trained, on reasoning-augmented data (the figure's values are "
        "not printed)",
        "section 5, figure 4",
        (
            Term(1.0, FIGURE_4, "SeqFT", "BBH", stage=5, sequence="trace_rcl"),
            Term(-1.0, FIGURE_4, "SeqFT", "BBH", stage=4, sequence="trace_rcl"),
        ),
    ),
    Claim(
        "replay_helps_reasoning",
        "replay keeps more of BBH than sequential fine-tuning",
        "section 4.4, table 2",
        _pair("table2", "Replay", "SeqFT", "BBH", stage=8),
    ),
    Claim(
        "instruction_lora_worst",
        "instruction following suffers most under LoRA (more losses than under full fine-tuning)",
        "section 4.4, figure 2",
        _pair("figure2", "LoraSeqFT", "SeqFT", "lose", suite="instruction"),
    ),
    *(
        Claim(
            f"safety_ties_{method.lower()}",
            f"safety is mostly tied with the initial model under {method} (more than 80%)",
            "section 4.4, figure 2",
            (Term(1.0, "figure2", method, "tie", suite="safety"),),
            bound=0.8,
        )
        for method in ("SeqFT", "LoraSeqFT", "Replay")
    ),
    Claim(
        "format_forgetting",
        "FOMC breaks down right after ScienceQA (answers get an explanation): more than 20 points",
        "section 4.5, tables 7-11",
        (
            Term(1.0, "matrix", "SeqFT", "FOMC", stage=4, sequence="trace"),
            Term(-1.0, "matrix", "SeqFT", "FOMC", stage=5, sequence="trace"),
        ),
        bound=0.2,
    ),
    Claim(
        "order_matters",
        "the second order ends far lower: OP more than 5 points below the first",
        "appendix .4.7, tables 8 and 26",
        (
            Term(1.0, "matrix", "SeqFT", "OP", sequence="trace"),
            Term(-1.0, "matrix", "SeqFT", "OP", sequence="trace_order2"),
        ),
        bound=0.05,
    ),
    Claim(
        "rcl_helps",
        "reasoning-augmented data raise OP at 500 rows per task",
        "section 5, table 3",
        (
            Term(1.0, "table3", "SeqFT", "OP", sequence="trace_rcl"),
            Term(-1.0, "table3", "SeqFT", "OP", sequence="trace"),
        ),
    ),
    Claim(
        "joint_reasoning",
        "joint training gains from reasoning-augmented data",
        "section 5, table 3",
        (
            Term(1.0, "table3", "MT", "OP", sequence="trace_rcl"),
            Term(-1.0, "table3", "MT", "OP", sequence="trace"),
        ),
    ),
)


def check(published: Published, ours: Ours | None) -> Iterator[Answer]:
    """Every claim on every model of the paper: on our numbers, or on the published ones (null)."""
    lookup: Lookup = ours.find if ours is not None else as_printed
    for claim in CLAIMS:
        found = [_numbers(published, term) for term in claim.terms]
        models = [m for m in found[0] if all(m in others for others in found)]
        for model in models:
            terms = [lookup(numbers[model]) for numbers in found]
            runs = dict.fromkeys(name for term in terms for name in term.runs)
            answer = _answer(claim, model, [term.estimate for term in terms])
            yield replace(answer, runs=tuple(runs))


def as_printed(number: Number) -> Found:
    """A published number with the error of its finite test set."""
    if math.isnan(number.value):
        return Found()
    if number.column in ("OP", "BWT"):
        return Found(Estimate(number.value, OP_ERROR if number.column == "OP" else BWT_ERROR))
    items = ITEMS.get(number.column) or JUDGED_ITEMS.get(number.suite)
    if items is None:
        return Found()
    error = math.sqrt(number.value * (1 - number.value) / items)
    return Found(Estimate(number.value, error))


def _numbers(published: Published, term: Term) -> dict[str, Number]:
    """The numbers of a term by model."""
    if term.table == FIGURE_4:
        return {model: _drawn(term, model) for model in NAMES["models"]}
    found = {}
    for row in published.rows:
        in_table = row.table == term.table or (
            term.table == "matrix" and row.table.removeprefix("table").isdigit()
        )
        wanted = {
            "method": term.method,
            "column": term.column,
            "stage": term.stage,
            "sequence": term.sequence,
            "suite": term.suite,
        }
        same = all(v is None or getattr(row, name) == v for name, v in wanted.items())
        if in_table and same and not (term.table == "table3" and row.data == "trace_5000"):
            is_matrix = term.table == "matrix" and int(row.table.removeprefix("table")) < 7
            if not is_matrix:
                found[row.model] = replace(row)
    return found


def _drawn(term: Term, model: str) -> Number:
    return Number(
        term.table,
        model,
        term.method,
        term.sequence or "",
        "trace_reasoning",
        "",
        term.stage,
        "general",
        term.column,
        math.nan,
        "",
        "",
    )


def _answer(claim: Claim, model: str, estimates: list[Estimate]) -> Answer:
    values = [item.value for item in estimates]
    if None in values:
        return Answer(claim, model, None, None, UNDECIDED)
    factors = [term.factor for term in claim.terms]
    difference = math.fsum(f * (v or 0.0) for f, v in zip(factors, values, strict=True))
    error = combined_error(item.item_error for item in estimates)
    if error is None:
        return Answer(claim, model, difference, None, UNDECIDED)
    above = (claim.bound - abs(difference)) if claim.flat else (difference - claim.bound)
    verdict = HOLDS if above > SIGMAS * error else FAILS if above < -SIGMAS * error else UNDECIDED
    return Answer(claim, model, difference, error, verdict)
