"""Completion, asked as a real bash asks."""

import shlex
import shutil
import subprocess
import sys

import pytest
from support.command import harness
from support.places import REPOSITORY

from harness.cli.completion import found


@pytest.mark.parametrize(
    ("place", "begun", "words"),
    [
        (1, "pl", ["plan"]),
        (2, "pl", []),
        (1, "train.learning_r", ["train.learning_rate="]),
        (2, "engine.precision=", ["engine.precision=fp32", "engine.precision=bf16"]),
        (2, "eval.stage0=f", ["eval.stage0=false"]),
        (2, "method=lw", ["method=lwf"]),
        (
            2,
            "method=[sfa,lin",
            ["method=[sfa,lines", "method=[sfa,lines_choice", "method=[sfa,lines_ties"],
        ),
        (2, "method=[lw", ["method=[lwf"]),
        (2, "engine=zero2 ", []),
        (2, "model.path=/a", []),
        (2, "method.adapter.k", ["method.adapter.kind="]),
    ],
)
def test_what_a_word_may_be(place: int, begun: str, words: list[str]) -> None:
    assert found(place, begun) == words


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["harness", "fron"], ["frontier"]),
        (["harness", "method", "=", "lw"], ["lwf"]),
        (["harness", "plan", "engine.precision", "="], ["fp32", "bf16"]),
        (["harness", "method", "=", "[sfa,lwf"], ["[sfa,lwf"]),
    ],
)
def test_a_real_bash_completes(line: list[str], words: list[str]) -> None:
    """`=` divides words for bash, and what it puts in is what stands behind it."""
    script = harness("completion", "bash").stdout
    told = " ".join(line).replace(" = ", "=").replace(" =", "=")
    asked = f"""
{script}
harness() {{ {sys.executable} -m harness "$@"; }}
COMP_LINE='{told}' COMP_POINT={len(told)} COMP_WORDS=({shlex.join(line)}) COMP_CWORD={len(line) - 1}
_harness
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["bash", "-c", asked], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == words, done.stderr


def test_an_unknown_shell_is_told() -> None:
    done = harness("completion", "fish")
    assert done.returncode == 2
    assert "invalid choice: 'fish'" in done.stderr
