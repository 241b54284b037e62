"""The benchmarks beside other packages: what they count and compare is checked against values by
hand, and each runs in its small form; what it measured is nobody's to assert."""

import argparse
import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import bench_fixed
import bench_scoring
import bench_training
import pytest
from bench import agreement, mfu, options, report
from bench.material import TINY, check_data, make_model
from bench.rounds import medians
from bench.suites import Source, Suite, missing
from end_to_end.test_bench import bench
from support.places import MICRO_MODEL, REPOSITORY


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream))


def test_flops_of_a_token() -> None:
    """Two products with every weight, thrice: forward, and backward for weights and inputs. Scores
    and sums of a layer cost 2 x 2 x hidden a token seen, thrice, of which a causal row has half."""
    assert mfu.model_flops(10, layers=0, hidden=0, length=0) == 60
    assert mfu.model_flops(0, layers=2, hidden=8, length=100) == 3 * 2 * (2 * 2 * 8 * 100 / 2)


def test_a_device_whose_peak_is_not_known_is_refused() -> None:
    assert mfu.peak_of("NVIDIA H100 80GB HBM3") == 989e12
    with pytest.raises(SystemExit, match="the peak of Abacus is not known; known are H100"):
        mfu.peak_of("Abacus")


def test_medians_leave_out_what_is_no_number() -> None:
    rounds = [{"a": 1.0, "b": "x"}, {"a": 5.0, "b": "y"}, {"a": 2.0, "b": "z"}]
    assert medians(rounds) == {"a": 2.0}


@pytest.mark.parametrize("way", ["random", "grouped"])
def test_batches_stay_within_a_task_and_repeat(way: str) -> None:
    lengths = [7 * n % 31 for n in range(100)]
    asked = argparse.Namespace(steps=2)
    found = bench_training.drawn([60, 40], lengths, way, asked)
    assert found == bench_training.drawn([60, 40], lengths, way, asked)
    assert [len(batch) for batch in found] == [bench_training.BATCH] * 4
    assert all(index < 60 for batch in found[:2] for index in batch)
    assert all(60 <= index < 100 for batch in found[2:] for index in batch)
    assert len({index for batch in found for index in batch}) == 32


def test_grouped_batches_are_alike_in_length() -> None:
    lengths = [7 * n % 199 for n in range(200)]

    def padded(way: str) -> int:
        batches = bench_training.drawn([200], lengths, way, argparse.Namespace(steps=5))
        return sum(
            len(b) * max(lengths[i] for i in b) - sum(lengths[i] for i in b) for b in batches
        )

    assert padded("grouped") < padded("random") / 2


def compared(mine: Sequence[float], other: Sequence[float]) -> dict[str, object]:
    """Two items of two choices, each a token."""
    rows = [("a", " b"), ("a", " c"), ("d", " b"), ("d", " c")]
    suite = Suite("two", "loglikelihood", rows, [0, 0, 1, 1])
    given = [
        {"answers": [(value, True) for value in values], "ids": []} for values in (mine, other)
    ]
    return agreement.compare(suite, MICRO_MODEL, *given)


def test_likelihoods_are_compared_per_token_and_by_choice() -> None:
    same = compared([-1.0, -2.0, -3.0, -1.0], [-1.0, -2.0, -3.0, -1.0])
    assert (same["unequal"], same["beyond_tolerance"], same["differences"]) == (0, 0, [])
    other = compared([-1.0, -2.0, -3.0, -1.0], [-2.5, -2.0, -3.0, -1.0])
    assert (other["unequal"], other["beyond_tolerance"]) == (1, 1)
    assert other["differences"][-1] == "item 0: another choice, the two best 1.0e+00 apart"


def test_an_answer_that_parts_is_listed_with_its_gap(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(MICRO_MODEL)
    model = AutoModelForCausalLM.from_pretrained(MICRO_MODEL, dtype="float32").eval()
    ids = tokenizer("one two", add_special_tokens=False)["input_ids"]
    suite = Suite("one", "generate_until", [("Say it:", "")], [0], 8)
    mine = {"answers": [tokenizer.decode(ids)], "ids": [ids]}
    other = {"answers": [tokenizer.decode(ids[:1]) + "#"], "ids": []}
    found = agreement.compare(suite, MICRO_MODEL, mine, other)
    with torch.no_grad():
        seen = torch.tensor([[*tokenizer("Say it:")["input_ids"], ids[0]]])
        best = model(seen).logits[0, -1].sort(descending=True).values
    assert found["unequal"] == 1
    assert found["largest_difference"] == pytest.approx(float(best[0] - best[1]), abs=1e-4)
    assert found["differences"][0].startswith("request 0: parts at new token 1,")


def test_only_the_best_batch_of_stock_stays() -> None:
    names = [("ours", None), ("stock", 4), ("stock", 8), ("hf_generate", None)]
    found = {"ours": [{"cpu_s": 1.0}], "stock 4": [{"cpu_s": 9.0}], "stock 8": [{"cpu_s": 3.0}]}
    left = bench_scoring.without_slow_batches(names, found)
    assert left == [("ours", None), ("stock", 8), ("hf_generate", None)]


def test_a_suite_without_its_files_is_left_out_by_name(tmp_path: Path) -> None:
    assert missing("generation", None) is None
    assert missing("mmlu_40", None) == "SUITE_DATA is not set, nor is --suites given"
    assert missing("mmlu_40", tmp_path) == f"--suites={tmp_path} holds no folder general/mmlu"


def test_requests_are_kept_as_they_are(tmp_path: Path) -> None:
    """Small requests of the embedded tasks, written and read; prompts of all tasks in turn."""
    from bench.material import prompt_format

    folder = make_model(tmp_path, "model", None, TINY)
    suite = bench_scoring.MADE["generation"](Source(prompt_format(folder), None, None, True))
    suite.save(tmp_path / "suite.json")
    assert Suite.load(tmp_path / "suite.json") == suite
    assert len(suite.rows) == 8
    assert next(one.args for one in suite.instances())[1] == {
        "until": [],
        "max_gen_toks": 12,
        "do_sample": False,
    }


def test_all_scripts_take_the_same_options(tmp_path: Path) -> None:
    words = ["--small", "--rounds=2", "--threads=1", f"--data={tmp_path}", f"--suites={tmp_path}"]
    words += [f"--place={tmp_path / 'place'}"]
    asked = options.parsed(options.parser_of("A.\n"), words, "a.csv")
    assert asked.place.is_dir()
    assert asked.out == Path("results/bench/small/a.csv")
    folder = options.parsed(options.parser_of("A.\n"), [*words, f"--out={tmp_path}"], "a.csv")
    assert folder.out == tmp_path / "a.csv"


def test_a_part_of_a_table_replaces_none(capsys: pytest.CaptureFixture[str]) -> None:
    parser = options.parser_of("A.\n")
    options.add_only(parser, bench_training.LINES)
    words = ["--only=TRL batch 1, accumulated; Trainer, grouped"]
    asked = options.parsed(parser, words, "a.csv", bench_training.LINES)
    assert asked.only == ["TRL batch 1, accumulated", "Trainer, grouped"]
    report.write(asked.out, [{"a": 1}], 1)
    assert capsys.readouterr().out == "not written: a part of a table; --out says where to\n"
    taking = [name for name in bench_training.LINES if bench_training.taking_part(name, asked)]
    assert taking == ["ours", "ours, grouped batches", *reversed(asked.only)]


def test_names_that_are_not_known_are_told_at_once() -> None:
    with pytest.raises(SystemExit, match="--only=ties;b: 'b' is not known; known are lines; ties"):
        options.only_of("ties;b", ["lines", "ties"])


def test_a_folder_of_data_without_tasks_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=f"--data={tmp_path}: none of TRACE's tasks is there"):
        check_data(tmp_path)
    for name in ("train.json", "test.json"):
        (tmp_path / "FOMC").mkdir(exist_ok=True)
        (tmp_path / "FOMC" / name).write_text("[]")
    check_data(tmp_path)
    assert f"--data={tmp_path}: left out, not there: C-STANCE, Meet" in capsys.readouterr().out


def test_fewer_rows_than_a_batch_are_refused() -> None:
    with pytest.raises(SystemExit, match="--rows=7: at least 8"):
        bench_training.main(["--rows=7"])


def test_losses_that_differ_end_the_program_behind_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = {"tokens_by_s": 1.0, "tokens_by_cpu_s": 1.0, "peak_gb": 1.0, "whole_cpu_s": 1.0}
    found = {"ours": [each | {"losses": [1.0]}], "Trainer": [each | {"losses": [1.1]}]}
    monkeypatch.setattr(bench_training, "measured", lambda *given: iter([(found, "both")]))
    out = tmp_path / "training.csv"
    with pytest.raises(SystemExit) as ended:
        bench_training.main([f"--out={out}"])
    assert ended.value.code == 1
    assert [row["losses_agree"] for row in rows_of(out)] == ["True", "False"]


def test_models_of_other_sizes_have_other_folders(tmp_path: Path) -> None:
    first = make_model(tmp_path, "model", None, TINY)
    assert first == make_model(tmp_path, "model", None, TINY)
    assert first != make_model(tmp_path, "model", None, TINY | {"num_hidden_layers": 1})


def test_a_run_that_does_something_is_not_cached() -> None:
    idle = "trained 0 stages, scored 0 cells in 0:00 (2 more were in the store)\n"
    assert bench_fixed.nothing_done(f"a\n{idle}b\n{idle}")
    assert not bench_fixed.nothing_done(f"{idle}trained 1 stages, scored 0 cells in 0:01\n")
    assert not bench_fixed.nothing_done("")
    assert bench_fixed.nodes_of("run a\n8 nodes, 0 done; to do: 1 token\n") == 8


def test_a_request_to_end_takes_the_command_and_the_folder_along(tmp_path: Path) -> None:
    program = (
        "import tempfile\nfrom bench.commands import command\nfrom bench.options import run\n"
        "def main(words):\n"
        "    with tempfile.TemporaryDirectory(dir=words[0]) as place:\n"
        "        command(['sh', '-c', f'echo $$ > {place}/pid; exec sleep 100'], 1)\n"
        "run(main)\n"
    )
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "scripts")])
    words = [sys.executable, "-c", program, str(tmp_path)]
    process = subprocess.Popen(words, env=os.environ | {"PYTHONPATH": paths})
    while not (found := [p for p in tmp_path.glob("*/pid") if p.read_text().strip()]):
        assert process.poll() is None
        time.sleep(0.05)
    child = int(found[0].read_text())
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


@pytest.mark.slow
@pytest.mark.trial
@pytest.mark.distributed
def test_a_trial_of_scoring(tmp_path: Path) -> None:
    out = tmp_path / "scoring.csv"
    told = bench(
        "bench_scoring.py", "--small", "--only=choices;mmlu_4", "--rounds=1", f"--out={out}"
    )
    assert "mmlu_4: left out, " in told or "mmlu_4" in {r["suite"] for r in rows_of(out)}
    rows = [row for row in rows_of(out) if row["suite"] == "choices"]
    assert [row["contestant"] for row in rows] == ["ours", "stock 8"]
    assert float(rows[1]["beyond_tolerance"]) == 0
    assert all(row["machine"] and row["date"] and "torch=" in row["versions"] for row in rows)


@pytest.mark.slow
@pytest.mark.trial
@pytest.mark.distributed
def test_a_trial_of_generation(tmp_path: Path) -> None:
    """All say the same, and TRACE's protocol takes many more passes."""
    out = tmp_path / "scoring.csv"
    bench("bench_scoring.py", "--small", "--only=generation", "--rounds=1", f"--out={out}")
    rows = {row["contestant"]: row for row in rows_of(out)}
    assert list(rows) == ["ours", "stock 8", "hf_generate", "trace_protocol"]
    assert all(float(row["beyond_tolerance"] or 0) == 0 for row in rows.values())
    slots = {name: float(row["slots_by_token"]) for name, row in rows.items()}
    assert slots["trace_protocol"] > slots["hf_generate"]


@pytest.mark.slow
@pytest.mark.trial
@pytest.mark.distributed
def test_a_trial_of_training(tmp_path: Path) -> None:
    """Losses of all steps are those of Trainer; what is not installed is left out by name."""
    out = tmp_path / "training.csv"
    told = bench("bench_training.py", "--small", "--rounds=1", f"--out={out}")
    rows = {row["contestant"]: row for row in rows_of(out)}
    assert {"ours", "Trainer"} <= rows.keys()
    assert "losses agree" in told
    for name in ("TRL bfd", "TRL batch 1, accumulated"):
        assert name in rows or f"{name}: left out, trl is not installed here" in told


@pytest.mark.slow
@pytest.mark.trial
@pytest.mark.distributed
def test_a_trial_of_edits(tmp_path: Path) -> None:
    """Ours and mergekit's LiNeS-like merge write the same weights."""
    out = tmp_path / "edits.csv"
    bench("bench_edits.py", "--small", "--rounds=1", f"--out={out}", f"--place={tmp_path}")
    rows = {row["contestant"]: row for row in rows_of(out)}
    assert list(rows) == ["ours", "mergekit", "cp and sync"]
    assert float(rows["mergekit"]["largest_difference"]) <= 1e-6


@pytest.mark.slow
@pytest.mark.trial
@pytest.mark.distributed
def test_a_trial_of_fixed_costs(tmp_path: Path) -> None:
    out = tmp_path / "fixed.csv"
    bench("bench_fixed.py", "--small", f"--out={out}")
    whats = [row["what"] for row in rows_of(out)]
    stores = ["status", "store ls", "store verify"]
    assert whats == ["first step", "plan, fresh", "cached run", *stores]
    first, plan, *_ = rows_of(out)
    assert first["whole_cpu_s"] == first["peak_gb"] == ""
    # Three trainings, and the tasks seen so far scored after each: 1, 2 and 2, the third being the
    # first one again.
    assert int(plan["nodes"]) == 3 + 1 + 2 + 2


def test_without_a_gpu_its_share_is_not_measured() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one here")
    with pytest.raises(SystemExit, match="PyTorch finds no GPU here; nothing was measured"):
        bench_training.main(["--mfu"])
