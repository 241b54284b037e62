"""Paper tables from a small tidy table: what is ours, published, different, and not run."""

import csv
import json
from pathlib import Path

import pytest
from conftest import harness, refused

from harness.report.paper.claims import check
from harness.report.paper.ours import Ours
from harness.report.paper.published import read_published
from harness.report.schema import to_frame, write_scores

TASKS = "C-STANCE|FOMC|MeetingBank|Py150|ScienceQA|NumGLUE-cm|NumGLUE-ds|20Minuten"
PUBLISHED = read_published()


@pytest.fixture
def trace_rows(score_row):
    """A whole triangle of our LLaMA-2-7B-Chat: every score .5, but .6 right after training; and
    GSM8K .25 before, .05 after."""
    about = {
        "run": "r1", "model": "llama2-7b-chat", "sequence": "trace", "data": "trace_5000",
        "method": "seqft", "tasks": TASKS, "stderr": 0.01,
    }  # fmt: skip
    names = TASKS.split("|")
    rows = [
        score_row(**about, stage=t, benchmark=name, value=0.6 if t == i + 1 else 0.5)
        for i, name in enumerate(names)
        for t in range(i + 1, 9)
    ]
    for stage, value in ((0, 0.25), (8, 0.05)):
        rows.append(
            score_row(**about, stage=stage, suite="general", benchmark="gsm8k", value=value)
        )
    return rows


@pytest.fixture
def written(trace_rows, tmp_path: Path) -> Path:
    scores = write_scores(trace_rows, tmp_path / "scores.csv")
    done = harness("paper", "--scores", str(scores), "--out", str(tmp_path / "paper"))
    assert done.returncode == 0, done.stderr
    return tmp_path / "paper"


def lines(folder: Path, table: str, **labels: str) -> dict[str, dict[str, str]]:
    """The lines ours, published and difference of one row of a table."""
    with (folder / f"{table}.csv").open() as stream:
        rows = [r for r in csv.DictReader(stream) if all(r[k] == v for k, v in labels.items())]
    assert [row["line"] for row in rows] == ["ours", "published", "difference"]
    return {row["line"]: row for row in rows}


def test_table_1_by_hand(written: Path) -> None:
    row = lines(written, "table1", model="LLaMA-2-7B-Chat", method="SeqFT")
    # Seven tasks at .5 and the last at .6; seven losses of .1.
    assert float(row["ours"]["OP"]) == pytest.approx(51.25)
    assert float(row["ours"]["BWT"]) == pytest.approx(-10.0)
    assert (row["published"]["OP"], row["published"]["BWT"]) == ("48.7", "-8.3")
    assert float(row["difference"]["OP"]) == pytest.approx(2.55)
    other = lines(written, "table1", model="Vicuna-7B-V1.5", method="SeqFT")
    assert (other["ours"]["OP"], other["difference"]["BWT"]) == ("not run", "not run")


def test_stages_and_general_ability(written: Path) -> None:
    row = lines(written, "table8", stage="2")
    assert (row["ours"]["C-STANCE"], row["ours"]["FOMC"], row["ours"]["Py150"]) == (
        "50.0",
        "60.0",
        "",
    )
    general = lines(written, "table2", model="LLaMA-2-7B-Chat", method="SeqFT")
    assert (general["ours"]["GSM8K"], general["ours"]["MMLU"]) == ("5.0", "not run")
    with (written / "calibration.csv").open() as stream:
        (found,) = [r for r in csv.DictReader(stream) if r["ours"] not in ("not run", "")]
    assert (found["benchmark"], found["verdict"]) == ("GSM8K", "comparable")


def test_no_cell_is_blank_where_the_paper_has_a_number(written: Path) -> None:
    for name in ("table1", "table2", "table3", "table5", "table6", "table27", "tables23-25"):
        with (written / f"{name}.csv").open() as stream:
            assert all(
                "" not in row.values() for row in csv.DictReader(stream) if row["line"] == "ours"
            )


def test_every_definition_is_named(written: Path) -> None:
    with (written / "definitions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 18
    ours = rows[-1]
    assert float(ours["bwt"]) == pytest.approx(-10)
    assert float(ours["bwt_over_T"]) == pytest.approx(-8.75)


def test_findings_on_the_published_numbers() -> None:
    answers = {(a.claim.name, a.model): a.verdict for a in check(PUBLISHED, None)}
    assert answers["lora_op", "LLaMA-2-7B-Chat"] == "holds"
    assert answers["lora_op", "Baichuan2-7B-Chat"] == "undecided"
    # What the paper's own numbers contradict.
    fails = {key for key, verdict in answers.items() if verdict == "fails"}
    assert fails == {
        ("lora_forgets", "Baichuan2-7B-Chat"),
        ("bbh_down", "Baichuan2-7B-Chat"),
        ("replay_helps_reasoning", "Baichuan2-7B-Chat"),
    }
    assert answers["scienceqa_surge", "LLaMA-2-7B-Chat"] == "undecided"
    assert sum(verdict == "holds" for verdict in answers.values()) > 50


def test_findings_on_ours(trace_rows) -> None:
    answers = {(a.claim.name, a.model): a for a in check(PUBLISHED, Ours.of(to_frame(trace_rows)))}
    gsm8k = answers["gsm8k_down_seqft", "LLaMA-2-7B-Chat"]
    assert (round(gsm8k.difference, 3), gsm8k.verdict) == (0.2, "holds")
    assert gsm8k.error == pytest.approx(0.01 * 2**0.5)
    assert answers["lora_op", "LLaMA-2-7B-Chat"].verdict == "undecided"
    assert answers["format_forgetting", "LLaMA-2-7B-Chat"].verdict == "fails"


def test_pictures_are_written(written: Path) -> None:
    assert (written / "figure_op_bwt.png").read_bytes().startswith(b"\x89PNG")
    assert not (written / "figure4_bbh.png").exists()


def test_refusals(tmp_path: Path) -> None:
    assert "no table of scores there" in refused("paper", "--scores", str(tmp_path / "none.csv"))
    (tmp_path / "bad.csv").write_text(json.dumps({}))
    line = refused("paper", "--published", str(tmp_path / "bad.csv"), "--out", str(tmp_path))
    assert "bad.csv: it holds no published number" in line
