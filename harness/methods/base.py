"""The protocol of a strategy: one ingredient of a method, with hooks that training calls.

A method's stack is a list of strategies; the empty stack is sequential fine-tuning. A subclass
overrides the hooks it needs and nothing else; it never calls backward or step and never touches
`param.grad`, `param.data` or DeepSpeed: weights and gradients go through `stage.view` (view.py).
The hooks of a stack run in the order of the configuration, each for all strategies before the next.
Modules in this package import torch inside functions only, so that a configuration is checked
without it; hooks.py checks that a class has no hook which training would not call.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import isfunction
from typing import TYPE_CHECKING, Any, ClassVar

from harness.config import AdapterConfig
from harness.config.parts import Kind, Part
from harness.errors import ConfigError
from harness.methods.needs import Needs
from harness.methods.stage import Phase, Stage
from harness.methods.view import SavedState, State

if TYPE_CHECKING:
    from torch import Tensor

    from harness.methods.forward import Pass


@dataclass(frozen=True)
class Inputs:
    """What a strategy reads besides the task's own data: training splits of earlier tasks, by
    name, and files in TRACE's format, by path."""

    tasks: Sequence[str] = ()
    files: Sequence[str] = ()


@dataclass
class Strategy(Part):
    """Base of all strategies: every hook does nothing. Parameters are the dataclass's fields."""

    part_kind: ClassVar[Kind] = Kind.strategy
    abstract: ClassVar[bool] = True  # a base of strategies, itself none; not inherited

    # Before a model loads, without torch

    def needs(self) -> Needs:
        """What it asks of the run, with its parameters as they are."""
        return Needs()

    def join_adapter(self, adapter: AdapterConfig | None) -> None:
        """The method's adapter, or None: called once and first. Raises ConfigError where the
        parameters do not go with it."""

    def check_model(self, description: Mapping[str, Any]) -> None:
        """Raise ConfigError where the model's config.json rules the parameters out."""

    # Before the first step

    def prepare_model(self, stage: Stage, model: Any) -> Any:
        """Change the whole module before DeepSpeed takes it (freeze parts, register hooks); returns
        the module to train. Its weights stay as they are: `start` may change them. At ZeRO 3 they
        have no values yet (those of a full model are on torch's device `meta`), and under an
        adapter an empty shape: `ds_shape` and `ds_numel` tell it. A new parameter has values. What
        a hook in the model measures belongs to `stage.batch`."""
        return model

    def rates(self, stage: Stage, model: Any) -> Mapping[str, float]:
        """Factors of the learning rate, 0 or more, by the names of trained parameters in the module
        that DeepSpeed is about to take; 1 where none is given. Those of several strategies
        multiply. AdamW's weight decay shrinks with the rate; `stage.learning_rate`, which other
        hooks see, stays the step's."""
        return {}

    def data(self, stage: Stage, phases: list[Phase]) -> list[Phase]:
        """What the task trains on. `phases[0]` has the task's own rows, with what strategies before
        this one added; further phases are passes after it. Give back the phases with more rows
        (`phases[0].plus(rows)`) or with more passes."""
        return phases

    def start(self, stage: Stage) -> None:
        """Data are known, no weight has moved: the place to copy weights, to read what an earlier
        stage handed on, and to ask the model as the task finds it (`stage.view.observe`)."""

    # At every step

    def loss(self, stage: Stage, made: "Pass") -> "Tensor | None":
        """An extra loss per answer token, [n], or None; normalised like the objective. Called once
        for each forward pass of training, after it; on an idle rank (`made.batch.idle`) it weighs
        nothing."""
        return None

    def gradients(self, stage: Stage) -> None:
        """Between the step's last backward pass and clipping: the only place where gradients can be
        read and changed."""

    def weights(self, stage: Stage) -> None:
        """The step's new weights are in place."""

    def figures(self, stage: Stage) -> Mapping[str, float]:
        """Numbers of its own to watch, by short names: how large a penalty is, how much of a
        gradient was taken away. Asked after `weights` at some steps (`train.figure_steps`), of all
        ranks together, which all give the same; it changes nothing."""
        return {}

    # After the last step

    def finish(self, stage: Stage) -> None:
        """The last place to change weights, which are exported then."""

    def measure(self, stage: Stage) -> None:
        """The stage's weights are final and the model still runs: the place to measure what the
        next stage needs, on `stage.own` for example."""

    def memory_rows(self) -> int:
        """Rows of earlier tasks that it held for anything but training on them."""
        return 0

    # From one stage to the next, and within one

    def state(self) -> State:
        """What the next stage needs, asked after `measure`."""
        return State()

    def load(self, saved: SavedState) -> None:
        """What `state` gave at the end of the stage before; called first of a stage's hooks. Keep
        `saved` and read sharded quantities in `start`: `saved.sharded(name, stage.view)`."""

    def running(self) -> State | None:
        """What `start` and the steps so far made and `start` could not make again in the middle of
        the stage; asked between two steps. By default nothing. None, and this of a class before it
        where one has hooks of its own that may keep something (see `running_state`): unknown, so
        that an interrupted stage begins anew."""
        return State()

    def resume(self, stage: Stage, saved: SavedState) -> None:
        """In place of `start`, where a stage goes on in its middle: `saved` is what `running` gave,
        and the view has the weights of that step."""
        self.start(stage)

    # No hook

    def key_inputs(self, earlier: Sequence[str]) -> Inputs:
        """Data that enter the content key of a stage after the tasks `earlier`: what `needs` and
        `file_parameters` say."""
        files = [getattr(self, name) for name in self.file_parameters]
        rows = tuple(earlier) if self.needs().rows else ()
        return Inputs(rows, tuple(file for file in files if file))

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse an attribute that would take the place of a hook."""
        if isfunction(getattr(type(self), name, None)):
            own = type(self).__name__
            raise ConfigError(
                f"{own} sets self.{name}, the name of a hook or method; choose another"
            )
        super().__setattr__(name, value)


def running_state(strategy: Strategy) -> State | None:
    """What `running` of a strategy says; None, unknown, where it is that of a class whose
    subclasses override hooks that may keep something it does not know of: `start` or one of a step,
    or `prepare_model` (what it registers runs at every step) with one that uses it later."""
    kinds = type(strategy).__mro__
    knows = next(index for index, kind in enumerate(kinds) if "running" in vars(kind))
    own = {name for kind in kinds[:knows] for name in vars(kind)}
    watches = "prepare_model" in own and own & {"finish", "measure", "state"}
    return (
        None if watches or own & {"start", "loss", "gradients", "weights"} else strategy.running()
    )
