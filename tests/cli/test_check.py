"""`harness check` runs what runs use and says what of it works, a line each."""

import sys
from pathlib import Path

import pytest
from support.command import refused
from support.vllm_python import stand_in_python

from harness.cli.check import main
from harness.config.machine import gpu_count
from harness.run.check.report import Wrong, found


def lines(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    printed = capsys.readouterr().out.splitlines()
    return dict(line.split(": ", 1) for line in printed)


@pytest.mark.distributed
def test_on_cpus_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cpu", "--ranks", "2"]) == 0
    told = lines(capsys)
    assert list(told) == [
        "gloo", "bf16", "speed of bf16", "packing", "attention", "training in fp32",
        "training in bf16", "backend hf", "backend paged",
    ]  # fmt: skip
    assert all(what.startswith("ok (") for what in told.values())
    assert told["gloo"] == "ok (2 ranks)"


@pytest.mark.skipif(gpu_count() > 0, reason="there is a GPU")
def test_without_a_gpu_one_line_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gpu"]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line == "gpu: no: there is none here; `harness check cpu` checks the same with gloo"


@pytest.mark.distributed
def test_a_vllm_that_answers_as_it_should(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    python = stand_in_python(tmp_path)
    assert main(["vllm", "--python", str(python)]) == 0
    told = lines(capsys)
    assert list(told) == ["vllm", "vllm starts", "likelihoods", "determinism"]
    assert told["vllm"] == "ok (0.0)"


def test_what_fails_is_told_and_the_rest_goes_on() -> None:
    def wrong() -> str:
        raise Wrong("it is off")

    def broken() -> str:
        raise RuntimeError("kernel missing\nmore")

    told = [one.line() for one in found({"a": wrong, "b": broken, "c": lambda: ""})]
    assert told == ["a: no: it is off", "b: no: RuntimeError: kernel missing", "c: ok"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["vllm"], "harness check vllm: name the python that has it, --python"),
        (["vllm", "--python", "/no/python"], "--python: there is no program /no/python"),
        (["vllm", "--python", sys.executable], "has no vllm; install it there"),
        (["cpu", "--ranks", "9999"], "--ranks=9999: use 1 to"),
        (["tpu"], "invalid choice: 'tpu'"),
    ],
)
def test_mistakes_are_one_line(words: list[str], said: str) -> None:
    assert said in refused("check", *words)
