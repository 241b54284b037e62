"""A hook that training would not call is one line at validation, with its name and arguments."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from support.command import harness

from harness.config.compose.compose import load
from harness.config.parts import Kind, load_part, names
from harness.errors import ConfigError
from harness.methods import Needs, Strategy
from harness.methods.hooks import HOOKS, OTHER_NAMES, check_hooks
from harness.plan.checks.run import validate


def told(kind: type[Strategy]) -> str:
    with pytest.raises(ConfigError) as caught:
        check_hooks(kind, "method.mine")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def with_member(name: str, member: object) -> type[Strategy]:
    return dataclass(type("Mine", (Strategy,), {name: member}))


@pytest.mark.parametrize(
    ("name", "hook"),
    [
        *OTHER_NAMES.items(),
        ("edit_gradient", "gradients"),
        ("edit_gradents", "gradients"),
        ("gradient", "gradients"),
        ("on_gradients", "gradients"),
        ("after_steps", "weights"),
        ("prepare_models", "prepare_model"),
        ("losses", "loss"),
        ("need", "needs"),
        ("states", "state"),
        ("measured", "measure"),
    ],
)
def test_a_method_that_resembles_a_hook(name: str, hook: str) -> None:
    line = told(with_member(name, lambda self, *arguments: None))
    assert line.startswith(f"method.mine: Mine.{name} is no hook; the hook is {hook}(self")
    assert f"{hook}({', '.join(HOOKS[hook])})" in line


def test_methods_of_ones_own_are_left_alone() -> None:
    @dataclass
    class Mine(Strategy):
        """Names that are far from any hook's, private ones, and hooks as they are."""

        beta: float = 0.1
        count: ClassVar[int] = 3

        def distance(self) -> float:
            return 0.0

        def _edit_gradients(self) -> None: ...

        @property
        def active(self) -> bool:
            return True

        def needs(self) -> Needs:
            return Needs()

        def gradients(self, stage) -> None: ...

    check_hooks(Mine, "method.mine")


@pytest.mark.parametrize("name", names(Kind.strategy))
def test_the_strategies_of_the_package_pass(name: str) -> None:
    check_hooks(load_part(name, "method.mine", Kind.strategy), "method.mine")


def test_the_arguments_of_earlier_versions() -> None:
    """`loss(batch, logits)` takes as many as `loss(stage, made)` and would get others."""
    line = told(with_member("loss", lambda self, batch, logits: None))
    assert line == (
        "method.mine: Mine.loss takes (self, batch, logits); a hook's arguments have its names: "
        "loss(self, stage, made)"
    )
    line = told(with_member("gradients", lambda self, view, step, total_steps: None))
    assert "gradients(self, stage)" in line
    assert "gradients(self, stage)" in told(with_member("gradients", staticmethod(lambda: None)))


def test_what_needs_says() -> None:
    assert "Needs(packing=...)" in told(with_member("supports_packing", False))
    assert "Needs(adapter=...)" in told(with_member("adapter", "required"))
    assert "has to be a method: needs(self)" in told(with_member("needs", Needs(history=True)))
    line = told(with_member("key_inputs", lambda self, earlier: None))
    assert "say in needs() and file_parameters what is read" in line


def test_a_hook_of_a_base_class_is_found_too() -> None:
    class Half(Strategy):
        abstract: ClassVar[bool] = True

        def before_task(self, view, task) -> None: ...

    @dataclass
    class Mine(Half):
        beta: float = 0.1

    assert told(Mine).startswith("method.mine: Half.before_task is no hook; the hook is start(")


def test_hooks_that_come_in_pairs() -> None:
    assert "Mine has state without load; add load(self, saved)" in told(
        with_member("state", lambda self: None)
    )
    assert "Mine has resume without running; add running(self)" in told(
        with_member("resume", lambda self, stage, saved: None)
    )


def test_a_parameter_with_the_name_of_a_hook() -> None:
    @dataclass
    class Mine(Strategy):
        weights: float = 1.0

    assert told(Mine).startswith("method.mine.weights: it is the name of a hook")


def test_an_attribute_with_the_name_of_a_hook() -> None:
    @dataclass
    class Mine(Strategy):
        def __post_init__(self) -> None:
            self.data = []

    with pytest.raises(ConfigError, match=r"Mine sets self\.data, the name of a hook or method"):
        Mine()


STRATEGY = """\
from dataclasses import dataclass
from harness.methods import Strategy


@dataclass
class Mine(Strategy):
    def edit_gradient(self, stage):
        pass
"""


MINE = ("+method.mine={_target_: my_strategies.Mine}", "code.allow=[my_strategies]")


def test_the_command_line_tells_it(tiny_run: list[str], tmp_path: Path) -> None:
    (tmp_path / "my_strategies.py").write_text(STRATEGY)
    done = harness(*tiny_run, *MINE, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "error: method.mine: Mine.edit_gradient is no hook; the hook is gradients(self, stage) "
        "(begin other methods with an underscore)"
    )
    assert not (tmp_path / "store").exists()


FAILING = """\
from dataclasses import dataclass
from harness.methods import Strategy


@dataclass
class Mine(Strategy):
    {}
"""


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (
            "def needs(self): return {'rows': True}",
            "Mine.needs gives a dict; it has to give Needs(...)",
        ),
        ("def needs(self): pass", "Mine.needs gives a NoneType; it has to give Needs(...)"),
        ("def needs(self): return {}['a']", "Mine.needs fails (KeyError: 'a')"),
        (
            "def check_model(self, description): return {}['b']",
            "Mine.check_model fails (KeyError: 'b')",
        ),
        (
            "def join_adapter(self, adapter): return {}['c']",
            "Mine.join_adapter fails (KeyError: 'c')",
        ),
        ("def __post_init__(self): {}['d']", "Mine cannot be made (KeyError: 'd')"),
    ],
)
def test_what_a_class_of_ones_own_does_wrong_before_training_is_one_line(
    tiny_run: list[str], tmp_path: Path, body: str, line: str
) -> None:
    (tmp_path / "my_strategies.py").write_text(FAILING.replace("{}", body, 1))
    done = harness("plan", *tiny_run, *MINE, cwd=tmp_path)
    assert done.stderr == f"error: method.mine: {line}\n"
    assert done.returncode == 2


READS_ATTENTION = """\
from dataclasses import dataclass
from harness.methods import Needs, Outputs, Strategy


@dataclass
class Mine(Strategy):
    layer: int = 0

    def needs(self):
        return Needs(outputs=Outputs(hidden_states=(self.layer,), attentions=(self.layer,)))
"""


def test_attention_weights_need_eager_attention_and_layers_that_are_there(
    tiny_run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reads_attention.py").write_text(READS_ATTENTION)
    monkeypatch.syspath_prepend(str(tmp_path))
    chosen, eager = "+method.mine={_target_: reads_attention.Mine}", "model.attention=eager"
    allowed = "code.allow=[reads_attention]"

    def line(*more: str) -> str:
        with pytest.raises(ConfigError) as caught:
            validate(load([*tiny_run, chosen, allowed, *more]))
        return str(caught.value)

    assert line() == (
        "method.mine reads attention weights, which model.attention=sdpa does not give; "
        "use model.attention=eager"
    )
    assert line(eager, "+method.mine.layer=2") == (
        "method.mine reads attentions of layer 2; the model has 0 to 1"
    )
    assert "reads hidden_states of layer 9" in line(eager, "+method.mine.layer=9")
    validate(load([*tiny_run, chosen, allowed, eager, "+method.mine.layer=-1"]))


def test_the_public_face_needs_no_torch() -> None:
    code = "import sys, harness.methods, harness.methods.loading; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
