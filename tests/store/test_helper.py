"""Helper processes answer, or fail in one line."""

from pathlib import Path

import pytest

from harness.errors import ConfigError, DataError, StageFailed
from harness.store import helper

MODULE = """
import sys
from harness import errors
from harness.store.helper import answer

def work(asked):
    print("a library talks")
    if asked == "broken":
        raise RuntimeError("it broke")
    if asked == "dead":
        sys.exit(3)
    if isinstance(asked, str):
        raise getattr(errors, asked)("x=1: it must be 2")
    return {"sum": sum(asked)}

answer(work)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "a_helper.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return "a_helper"


def test_it_answers_whatever_is_printed_beside(module: str) -> None:
    assert helper.call(module, [1, 2, 3], "adding") == {"sum": 6}


@pytest.mark.parametrize("kind", [ConfigError, DataError, StageFailed])
def test_an_error_for_users_comes_through(kind: type[Exception], module: str) -> None:
    with pytest.raises(kind, match=r"^x=1: it must be 2$"):
        helper.call(module, kind.__name__, "adding")


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ("broken", "adding failed: RuntimeError: it broke"),
        ("dead", "adding failed: a library talks"),
    ],
)
def test_another_failure_is_one_line(asked: str, line: str, module: str) -> None:
    with pytest.raises(StageFailed) as caught:
        helper.call(module, asked, "adding")
    assert str(caught.value) == line
