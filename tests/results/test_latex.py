"""Tables for papers: what is marked, what goes where, and that a real LaTeX takes them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.tables import FIRST, groups_of

from harness.cli.tables import main
from harness.results.report.latex import to_latex
from harness.results.report.printing import DASH, Heading, Points, Table
from harness.results.report.tables import main_table, parted
from harness.results.schema import write_scores

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


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_a_real_latex_takes_all_of_them(run_rows, tmp_path: Path) -> None:
    """With names that hold what it reads as commands, and letters that its fonts lack."""
    rows = [
        *run_rows("r1", FIRST, method="100%_of #1 {x} \\\\ ~^&$"),
        *run_rows("r2", FIRST, method="方法 é → …", model="other|<model>"),
    ]
    scores = write_scores(rows, tmp_path / "scores.csv")
    assert main(["--scores", str(scores), "--out", str(tmp_path)]) == 0
    folder = tmp_path / "tables"
    frame = r"\documentclass{article}\usepackage{booktabs,amsmath}\begin{document}%s\end{document}"
    whole = frame % r"\input{all}"
    (folder / "paper.tex").write_text(whole)
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert not re.search("Missing character|undefined", (folder / "paper.log").read_text("latin-1"))
    inputs = re.findall(r"\\input\{(.*)\}", (folder / "all.tex").read_text())
    assert {f"{name}.tex" for name in inputs} == {
        path.name for path in folder.glob("*.tex") if path.stem not in ("all", "paper")
    }
