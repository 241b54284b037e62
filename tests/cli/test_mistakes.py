"""A user sees every mistake at once, one line each, and nothing is written or started."""

from pathlib import Path

import pytest
from support.command import harness
from support.raw_files import write_rows

from harness.config.compose import compose as composing
from harness.config.compose.mistakes import attempt


def told(*arguments: str) -> list[str]:
    """The lines of a refused command line."""
    done = harness(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    lines = done.stderr.splitlines()
    assert all(line.startswith("error: ") for line in lines), done.stderr
    return [line.removeprefix("error: ") for line in lines]


def test_keys_words_values_and_places(tmp_path: Path) -> None:
    lines = told(
        "trian.epochs=3",
        "method.schedule=often",
        "train.betas=[0.9]",
        "seed=-1",
        "model.path=/nowhere/at/all",
        "task.micro_units.headline=acuracy",
        f"store.root={tmp_path / 'store'}",
    )
    assert [line.partition(":")[0] for line in lines] == [
        "unknown key 'trian.epochs'; did you mean 'train.epochs'?",
        "method.schedule",
        "seed=-1",
        "train.betas=[0.9]",
        "model.path",
        "task.micro_units.headline=acuracy",
    ]
    assert not (tmp_path / "store").exists()


def test_wrong_options_are_told_together_and_no_key_that_hangs_on_them() -> None:
    lines = told("method=seqfd", "engine=zreo2", "method.ratio=0.5", "train.batch_size=0")
    assert sorted(lines) == [
        "unknown engine 'zreo2'; did you mean 'zero2'?",
        "unknown method 'seqfd'; did you mean 'seqft'?",
    ]


def test_what_was_refused_is_no_second_mistake_elsewhere() -> None:
    """Without its ZeRO stage, bf16 would be refused as well."""
    lines = told("engine.zero_stage=two", "engine.precision=bf16", "train.epochs=0")
    assert len(lines) == 2
    assert lines[0].startswith("engine.zero_stage: Value 'two'")
    assert lines[1] == "train.epochs=0: it must be at least 1"


def test_mistakes_of_a_sweep_are_told_once() -> None:
    lines = told("-m", "seed=0,1,2", "train.batch_size=0,4", "eval.batch_size=0")
    assert lines == [
        "train.batch_size=0: it must be at least 1",
        "eval.batch_size=0: it must be at least 1",
    ]


def test_checkpoints_are_kept_after_a_step_or_a_time() -> None:
    lines = told("train.checkpoint_steps=0", "train.checkpoint_minutes=-1")
    assert sorted(lines) == [
        "train.checkpoint_minutes=-1.0: it must be a positive number",
        "train.checkpoint_steps=0: it must be at least 1",
    ]


def test_what_ranks_that_fail_are_held_against() -> None:
    lines = told("run.retries=-1", "train.loss_bound=0", "engine.timeout_minutes=-1")
    assert sorted(lines) == [
        "engine.timeout_minutes=-1.0: it must be a positive number",
        "run.retries=-1: it must be 0 or more",
        "train.loss_bound=0.0: it must be a positive number",
    ]


def test_one_cause_that_all_tasks_share_is_one_line(tiny_run: list[str], tmp_path: Path) -> None:
    (line,) = told(*tiny_run, f"data.root={tmp_path}")
    assert line.startswith(f"{tmp_path / 'copy'} does not exist")
    assert line.endswith("(likewise: count)")
    (line,) = told("eval.max_answer_tokens=100000")
    assert line.startswith("task.micro_stance: prompt + answer may take")
    assert line.count(", ") == 7  # one behind the tokens, six between the seven others


def test_several_broken_files_and_settings_of_a_judge(tiny_run: list[str], tmp_path: Path) -> None:
    data = tmp_path / "data"
    for task in ("copy", "count"):
        for split in ("train", "eval", "test"):
            write_rows(data / task / f"{split}.json", [{"prompt": "a", "answer": "b"}])
    (data / "copy" / "train.json").write_text("[")
    (data / "count" / "train.json").write_text('[{"prompt": "a", "answer": 3}]')
    judge = ["judge=local", "judge.model=x", "judge.workers=0", "judge.temperature=1"]
    lines = told("plan", *tiny_run, f"data.root={data}", *judge)
    assert any(f"{data / 'copy' / 'train.json'}: malformed JSON" in line for line in lines)
    assert any("'answer' is int" in line for line in lines)
    assert "judge.workers=0: it must be at least 1" in lines
    assert any("a local judge is greedy" in line for line in lines)
    assert not (tmp_path / "store").exists()


def test_what_is_right_is_composed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    compose = composing.compose_whole
    monkeypatch.setattr(composing, "compose_whole", lambda a: calls.append(a) or compose(a))
    assert attempt(["method=replay", "seed=2"]).config is not None
    assert len(calls) == 1
