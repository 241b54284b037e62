"""Tables for papers: what is marked, what goes where, and that a real LaTeX takes them."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from support.tables import FIRST, groups_of

from harness.results.report.latex import all_tables, to_latex
from harness.results.report.printing import DASH, Heading, Points, Table
from harness.results.report.tables import main_table, matrix_table, parted
from harness.results.report.write import matrix_names
from harness.store.files import write_atomically

COLUMNS = (
    Heading("Model", "model"),
    Heading("Method", "method"),
    Heading("OP", "op", True, True, 1),
    Heading("Forgetting", "forgetting", True, True, -1),
    Heading("Steps", "steps", True),
    Heading("Empty", "empty", True, True),
)


def table(*rows: tuple[str, str, float, float, int]) -> Table:
    entries = tuple(
        (model, name, Points(op, 1.0), Points(lost), steps, Points(None))
        for model, name, op, lost, steps in rows
    )
    return Table("Main", COLUMNS, entries, "OP = mean_i R[T,i]; up by 5 %.", "main", "d", ("A_b.",))


def rows_of(text: str) -> list[list[str]]:
    body = text.partition("\\midrule\n")[2].partition("\\bottomrule")[0]
    return [line.removesuffix(r" \\").split(" & ") for line in body.splitlines()]


def test_best_and_second_of_every_model_are_marked() -> None:
    text = to_latex(
        table(
            ("m", "a", 50, 3, 9), ("m", "b", 60, 2, 9), ("m", "c", 60.02, 4, 9), ("n", "a", 1, 1, 9)
        )
    )
    assert rows_of(text) == [
        ["m", "a", r"\underline{50.0} $\pm$ 1.0", r"\underline{3.0}", "9"],
        ["m", "b", r"\textbf{60.0} $\pm$ 1.0", r"\textbf{2.0}", "9"],
        ["m", "c", r"\textbf{60.0} $\pm$ 1.0", "4.0", "9"],  # equal in print
        ["n", "a", r"1.0 $\pm$ 1.0", "1.0", "9"],  # with nothing to compare
    ]


def test_constant_columns_go_into_the_caption_and_empty_ones_away() -> None:
    text = to_latex(table(("m_1", "a", 50, 3, 9), ("m_1", "b", 60, 2, 8)))
    assert r"\caption{Main (model m\_1).}" in text
    assert r"Method & OP & Forgetting & Steps \\" in text
    assert DASH not in text
    notes = text.partition(r"\begin{minipage}{\linewidth}\footnotesize")[2]
    assert r"OP = $\operatorname{mean}_{i} R_{T,i}$; up by 5 \%. A\_b." in notes


def test_quality_and_budget_are_two_tables(run_rows) -> None:
    quality, budget = parted(main_table(groups_of(run_rows("r", FIRST)), "d"))
    names = [[heading.name for heading in one.headings] for one in (quality, budget)]
    assert not set(names[0]) & {"optimizer_steps", "device_hours", "peak_memory"}
    assert names[1][:3] == ["model", "sequence", "method"]
    assert "device_hours" in names[1]
    assert "op" not in names[1]
    assert "Budget" not in quality.caption


needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
FRAME = r"""\documentclass[11pt]{article}
\usepackage[textwidth=397pt,textheight=650pt]{geometry}\usepackage{booktabs,amsmath}
\newcommand{\harnesstables}{../of%20results/tables/}
\begin{document}
%s
\end{document}"""


def compiled(folder: Path, body: str) -> str:
    """What LaTeX says of a paper with this body, which must be a page or more."""
    folder.mkdir(exist_ok=True)
    (folder / "main.tex").write_text(FRAME.replace("%20", "_").replace("%s", body))
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    done = subprocess.run(words, cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    return (folder / "main.log").read_text("latin-1")


@needs_latex
def test_a_real_latex_takes_all_of_them_from_another_folder(run_rows, tmp_path: Path) -> None:
    """With names that hold what it reads as commands, letters that its fonts lack, and dots; in a
    paper whose own file is called as one of the tables, with more of these than LaTeX keeps."""
    names = ["100%_of #1 {x} \\\\ ~^&$", "方法 é → …", "[a] b--c", "*x", "seq (rate=0.5)", "ß"]
    names += [f"m{at}" for at in range(60)]
    rows = [row for name in names for row in run_rows(f"r{name}", FIRST, method=name)]
    groups, out = groups_of(rows), tmp_path / "of_results"
    tables = {"main": main_table(groups, "d")}
    tables |= {name: matrix_table(g, "d", name) for name, g in matrix_names(groups).items()}
    for name, one in tables.items():
        write_atomically(out / "tables" / f"{name}.tex", to_latex(one))
    write_atomically(out / "tables" / "all.tex", all_tables([*tables]))
    log = compiled(tmp_path / "paper", r"\input{\harnesstables all}")
    assert not re.search(r"Missing character|undefined|Overfull|too large", log)
    used = set(re.findall(r"of_results/tables/([^/()\s]+)\.tex", log.replace("\n", "")))
    assert used == {"all", *tables}


@needs_latex
def test_every_letter_of_a_name_can_be_set(tmp_path: Path) -> None:
    """Behind the end of a row as well, where some would be an argument of it."""
    letters = [chr(code) for code in [*range(32, 0x250), *range(0x370, 0x400), 0x2264, 0x65B9]]
    rows = tuple((letter, letter * 2) for letter in letters)
    one = Table("Letters", (Heading("A", "a"), Heading("B", "b")), rows, "".join(letters), "l", "d")
    log = compiled(tmp_path / "paper", to_latex(one))
    assert not re.search(r"Missing character|undefined|too large", log)


@needs_latex
@pytest.mark.parametrize("numeric", [True, False])
def test_wide_and_tall_tables_fit_the_page(tmp_path: Path, numeric: bool) -> None:
    headings = (
        *(Heading(f"Long_label {at}", f"label{at}") for at in range(4)),
        *(Heading(f"BENCHMARK_{at}", f"b{at}", numeric, True) for at in range(14)),
    )
    label = "fine-tuning with (train.learning_rate=0.001) and more of it"
    entry = Points(-12.3, 4.5) if numeric else "a text of several words, which are long"
    rows = tuple((label,) * 4 + (entry,) * 14 for _ in range(40))
    text = to_latex(Table("Wide", headings, rows, "C", "wide", "d"))
    log = compiled(tmp_path / "paper", text)
    assert not re.search(r"Overfull|too large", log)


def test_every_column_and_row_is_there_once_when_a_table_is_cut() -> None:
    high, wide = range(70), range(60)
    headings = (Heading("Method", "method"), *(Heading(f"B{at}x", f"b{at}", True) for at in wide))
    rows = tuple((f"m{at}", *(Points(100.0 * at + column) for column in wide)) for at in high)
    text = to_latex(Table("Wide", headings, rows, "C", "wide", "d"))
    numbers = re.findall(r"(?<=& )(\d+)\.0", text)
    assert sorted(map(int, numbers)) == [100 * at + column for at in high for column in wide]
    assert text.count(r"\label{tab:wide}") == text.count(r"\begin{minipage}") == 1
    assert text.count(", continued") == text.count(r"\begin{table}") - 1 > 0


def test_numbers_have_a_minus_and_a_mark_of_what_the_best_is_not_told_from() -> None:
    one = table(("m", "a", -5, 3, 9), ("m", "b", 60, 2, 9))
    rows = (one.rows[0], (*one.rows[1][:2], Points(60.0, 1.0, level=True), *one.rows[1][3:]))
    text = to_latex(replace(one, rows=rows, notes=("no end", "Next.")))
    assert rows_of(text)[0][1] == r"\underline{$-$5.0} $\pm$ 1.0"
    assert rows_of(text)[1][1] == r"\textbf{60.0} $\pm$ 1.0$^{\dagger}$"
    assert "no end. Next." in text


@needs_latex
def test_names_that_look_like_a_formula_are_names(tmp_path: Path) -> None:
    """R[a_b_c,d] as mathematics would have two subscripts of one letter, which LaTeX refuses."""
    told = "R[a_b_c,d] of R[T,i] - R[0,i], R[\u00e9,b]"
    one = Table("Names", (Heading("A", "a"),), (("x",),), told, "l", "d")
    text = to_latex(one)
    assert "$R_{T,i} - R_{0,i}$" in text
    assert r"R{[}a\_b\_c,d{]}" in text
    assert not re.search(r"Missing character|undefined", compiled(tmp_path / "paper", text))
