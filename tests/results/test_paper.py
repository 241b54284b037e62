"""Paper tables from a small tidy table: what is ours, published, different, and not run."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.command import harness, refused

from harness.errors import DataError
from harness.results.paper.claims import check
from harness.results.paper.ours import Found, Ours
from harness.results.paper.published import Number, read_published
from harness.results.paper.records import read_records, records_table
from harness.results.schema import Scores, write_scores

TASKS = "C-STANCE|FOMC|MeetingBank|Py150|ScienceQA|NumGLUE-cm|NumGLUE-ds|20Minuten"
PUBLISHED = read_published()


@pytest.fixture(scope="module")
def trace_rows(score_row):
    """A whole triangle of our LLaMA-2-7B-Chat: every score .5, but .6 right after training; and
    GSM8K .25 before, .05 after."""
    about = {
        "run": "r1", "model": "llama2-7b-chat", "sequence": "trace", "data": "trace_5000",
        "method": "seqft", "tasks": TASKS, "stderr": 0.01, "protocol": "paper",
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


@pytest.fixture(scope="module")
def written(trace_rows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    scores = write_scores(trace_rows, folder / "scores.csv")
    done = harness("paper", "--scores", str(scores), "--out", str(folder / "paper"))
    assert done.returncode == 0, done.stderr
    return folder / "paper"


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
    assert (row["ours"]["runs"], row["published"]["runs"]) == ("r1", "")
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
    answers = {(a.claim.name, a.model): a for a in check(PUBLISHED, Ours.of(Scores.of(trace_rows)))}
    gsm8k = answers["gsm8k_down_seqft", "LLaMA-2-7B-Chat"]
    assert (round(gsm8k.difference, 3), gsm8k.verdict) == (0.2, "holds")
    assert gsm8k.error == pytest.approx(0.01 * 2**0.5)
    assert answers["lora_op", "LLaMA-2-7B-Chat"].verdict == "undecided"
    assert answers["format_forgetting", "LLaMA-2-7B-Chat"].verdict == "fails"


def again(rows: list[dict], run: str, shift: float = 0.0, **changes: object) -> list[dict]:
    """The same run under another name, with its scores moved and its columns changed."""
    return [{**row, "run": run, "value": row["value"] + shift, **changes} for row in rows]


def number(table: str, column: str, model: str = "LLaMA-2-7B-Chat", **where: object) -> Number:
    """One published number."""
    (found,) = PUBLISHED.where(table=table, column=column, model=model, **where)
    return found


def test_only_seeds_of_one_comparable_group_are_averaged(trace_rows) -> None:
    of_group = [{**row, "group": "g", "seed": 0} for row in trace_rows]
    others = [
        again(of_group, "other-protocol", 0.3, protocol="default"),
        again(of_group, "limited", 0.3, group="l", settings={"eval.limit": 8}),
        again(
            of_group,
            "other-rate",
            0.3,
            group="r",
            settings={"suite": ["a", "b"], "train.learning_rate": 1},
        ),
        again(of_group, "other-data", 0.3, group="d", data="trace_500"),
        again(of_group, "no-data", 0.3, group="d", data=None),
        again(of_group, "epochs", 0.3, group="e", settings={"train.epochs": 3}),
        again(of_group, "incomplete", 0.3, seed=5)[1:],
        again(of_group, "another-group", 0.3, group="h", seed=9),
    ]
    rows = [*of_group, *again(of_group, "r2", 0.1, seed=1), *(row for o in others for row in o)]
    found = Ours.of(Scores.of(rows)).find(number("table1", "OP", method="SeqFT"))
    assert found.estimate.value == pytest.approx(0.5125 + 0.05)
    assert found.runs == ("r1", "r2")
    ours = Ours.of(Scores.of(rows), "default")
    assert ours.find(number("table1", "OP", method="SeqFT")).runs == ("other-protocol",)
    # What the tables vary, and what changes no number, is no other setting.
    told = {"judge": "http", "judge.model": "j", "suite": ["general", "safety"], "train.epochs": 3}
    rows = again(trace_rows, "e3", data="trace_500", settings=told)
    three = number("tables23-25", "FOMC", data="trace_500", epochs="3")
    assert Ours.of(Scores.of(rows)).find(three).runs == ("e3",)
    assert Ours.of(Scores.of(rows)).find(replace(three, epochs="5")).runs == ()


def test_any_run_fills_the_rows_of_the_initial_model(trace_rows) -> None:
    bare = [row for row in trace_rows if row["suite"] == "target"]
    lora = again(trace_rows, "lora", method="lora_seqft")
    ours = Ours.of(Scores.of([*bare, *lora]))
    found = ours.find(number("table2", "GSM8K", method="base"))
    assert (found.estimate.value, found.runs) == (0.25, ("lora",))
    assert ours.find(number("table2", "GSM8K", method="SeqFT")).runs == ()
    # A group of the same method that has no suites hides none that has.
    both = [*again(bare, "a", group="a"), *again(trace_rows, "b", group="b")]
    assert Ours.of(Scores.of(both)).find(number("table2", "GSM8K", method="SeqFT")).runs == ("b",)


def test_a_run_of_other_tasks_is_not_the_paper_s(trace_rows, tmp_path: Path) -> None:
    few = [row for row in trace_rows if row["benchmark"] in ("C-STANCE", "FOMC")]
    few = [{**row, "tasks": "C-STANCE|FOMC"} for row in few if row["stage"] < 3]
    turned = [
        {**row, "run": "turned", "tasks": "|".join(reversed(TASKS.split("|"))), "past": "ends"}
        for row in trace_rows
    ]
    scores = write_scores([*few, *turned], tmp_path / "scores.csv")
    done = harness("paper", "--scores", str(scores), "--out", str(tmp_path / "paper"))
    assert done.returncode == 0, done.stderr
    row = lines(tmp_path / "paper", "table1", model="LLaMA-2-7B-Chat", method="SeqFT")
    assert (row["ours"]["OP"], row["ours"]["runs"]) == ("not run", "not run")
    assert lines(tmp_path / "paper", "table8", stage="8")["ours"]["FOMC"] == "not run"


def test_forgetting_of_table_3_is_a_loss(trace_rows) -> None:
    rows = [{**row, "data": "trace_500"} for row in trace_rows]
    for row in rows:  # better later than right after training: forgetting by the best is larger
        if (row["stage"], row["benchmark"]) == (7, "C-STANCE"):
            row["value"] = 0.9
    ours = Ours.of(Scores.of(rows))
    loss = number("table3", "forgetting", method="SeqFT", data="trace_500")
    assert ours.value(loss).value == pytest.approx(0.1)
    assert ours.value(loss).item_error == pytest.approx(0.01 * 14**0.5 / 7)


def judged_rows(score_row, run: str, method: str, suite: str, **sets: tuple[int, dict]) -> list:
    """Judged rates of prompt sets at stage 8: name -> (pairs, {win, tie, lose})."""
    return [
        score_row(
            run=run, model="llama2-13b-chat", sequence="trace", data="trace_5000", method=method,
            tasks=TASKS, protocol="paper", stage=8, suite=suite, benchmark=name, metric=metric,
            headline=False, unit="judge_rate", value=rate, n=pairs,
            stderr=(rate * (1 - rate) / (pairs - 1)) ** 0.5,
        )
        for name, (pairs, rates) in sets.items()
        for metric, rate in rates.items()
    ]  # fmt: skip


def test_judged_findings_get_a_verdict_on_the_prompts_that_the_paper_judged(
    trace_rows, score_row
) -> None:
    tied, split = {"win": 0.0, "tie": 0.98, "lose": 0.02}, {"win": 0.0, "tie": 0.4, "lose": 0.6}
    lost = {"win": 0.1, "tie": 0.1, "lose": 0.8}
    rows = [
        *trace_rows,
        *again(trace_rows, "lora", method="lora_seqft"),
        *judged_rows(
            score_row, "r1", "seqft", "safety", cona=(178, tied), malicious=(100, split)
        ),
        *judged_rows(
            score_row, "r1", "seqft", "instruction", trace_self_instruct=(175, split),
            trace_lima=(300, tied), self_instruct=(252, lost),
        ),
        *judged_rows(
            score_row, "lora", "lora_seqft", "instruction", trace_self_instruct=(175, lost),
            trace_lima=(300, lost),
        ),
    ]  # fmt: skip
    model = "LLaMA-2-13B-Chat"
    rows = [{**row, "model": "llama2-13b-chat"} for row in rows]
    ours = Ours.of(Scores.of(rows))
    lose = ours.value(number("figure2", "lose", model, method="SeqFT", suite="instruction"))
    assert lose.value == pytest.approx((175 * 0.6 + 300 * 0.02) / 475)
    parts = 175**2 * 0.6 * 0.4 / 174 + 300**2 * 0.02 * 0.98 / 299
    assert lose.item_error == pytest.approx(parts**0.5 / 475)
    answers = {(a.claim.name, a.model): a for a in check(PUBLISHED, ours)}
    worst = answers["instruction_lora_worst", model]
    assert (worst.verdict, worst.runs) == ("holds", ("lora", "r1"))
    assert answers["safety_ties_seqft", model].verdict == "holds"
    assert answers["safety_ties_loraseqft", model].difference is None
    # One of the two sets alone is not what the paper judged.
    half = [row for row in rows if row["benchmark"] != "trace_lima"]
    ours = Ours.of(Scores.of(half))
    assert ours.find(number("figure2", "lose", model, method="SeqFT", suite="instruction")) == (
        Found()
    )


def test_pictures_are_written(written: Path) -> None:
    assert (written / "figure_op_bwt.png").read_bytes().startswith(b"\x89PNG")
    assert not (written / "figure4_bbh.png").exists()


def test_the_protocol_can_be_told(trace_rows, tmp_path: Path) -> None:
    rows = [{**row, "protocol": "scripts"} for row in trace_rows]
    words = ["paper", "--scores", str(write_scores(rows, tmp_path / "scores.csv"))]
    words += ["--out", str(tmp_path / "paper")]
    assert "no complete run under the protocol paper" in harness(*words).stdout
    assert harness(*words, "--protocol", "scripts").returncode == 0
    row = lines(tmp_path / "paper", "table1", model="LLaMA-2-7B-Chat", method="SeqFT")
    assert row["ours"]["runs"] == "r1"
    assert "did you mean 'scripts'?" in refused(*words, "--protocol", "script")


def test_refusals(tmp_path: Path) -> None:
    assert "no table of scores there" in refused("paper", "--scores", str(tmp_path / "none.csv"))
    (tmp_path / "bad.csv").write_text(json.dumps({}))
    line = refused("paper", "--published", str(tmp_path / "bad.csv"), "--out", str(tmp_path))
    assert "bad.csv: it holds no published number" in line


def test_records_stand_in_their_league(trace_rows, written: Path) -> None:
    with (written / "records.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    by_method = {(row["model"], row["method"]): row for row in rows}
    for method, league, op in (
        ("SeqFT", "TRACE-5000", "48.7"),
        ("SEEKR 10%", "reasoning-augmented, BWT / T", "58.27 / 57.27"),
        ("TreeLoRA", "TRACE-500, BWT clipped and / T", "43.52"),
        ("OSFT", "none, or not known", "48.4"),
    ):
        found = by_method["LLaMA-2-7B-Chat", method]
        assert (found["league"], found["op"]) == (league, op)
    mine = by_method["llama2-7b-chat", "seqft"]
    assert (mine["league"], mine["op"], mine["bwt"]) == ("TRACE-5000", "51.25", "-10.0")
    # Seven losses of .1 over eight tasks, under the protocols whose BWT is another one.
    for protocol, data, league in (
        ("treelora", "trace_500", "TRACE-500, BWT clipped and / T"),
        ("seekr", "trace_reasoning", "reasoning-augmented, BWT / T"),
    ):
        moved = [{**row, "protocol": protocol, "data": data} for row in trace_rows]
        (row,) = [r for r in records_table(Ours.of(Scores.of(moved)), "d").rows if r[-1] == "ours"]
        assert (row[0], row[4].value) == (league, pytest.approx(-8.75))


def test_an_unknown_league_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "records.csv"
    path.write_text("league,model,method,op,bwt,setting,mark,source\n50,m,x,1,2,,,\n")
    with pytest.raises(DataError, match="row 2: no league '50'; use 5000, reasoning, 500, or none"):
        read_records(path)
