"""What a method is made of besides its strategies: schedule, adapter, prompting, edits."""

from dataclasses import dataclass
from typing import Any

from harness.config.choices import (
    BetweenTasks,
    DemonstrationSource,
    EditStages,
    Experts,
    PromptStyle,
    Schedule,
)
from harness.config.fields import EVAL, TRAIN, Section, key


@dataclass
class AdapterConfig(Section):
    kind: str = key("adapter type; only 'lora' is there", "lora", identity=TRAIN)
    rank: int = key("rank of the update", 8, identity=TRAIN)
    alpha: float = key("the update is scaled by alpha / rank", 32.0, identity=TRAIN)
    dropout: float = key("dropout on the adapter's input", 0.1, identity=TRAIN)
    targets: list[str] = key(
        "names of the linear layers to adapt; [all-linear] = all but the head",
        factory=lambda: ["q_proj", "v_proj"],
        identity=TRAIN,
    )
    between_tasks: BetweenTasks = key(
        "what becomes of it at the next task", BetweenTasks.keep, identity=TRAIN
    )


@dataclass
class PromptingConfig(Section):
    demonstrations: int = key("solved training rows before each prompt", 0, identity=EVAL)
    seed: int = key("which training rows", 0, identity=EVAL)
    source: DemonstrationSource = key("where solved rows come from", DemonstrationSource.train)
    style: PromptStyle = key("how solved rows are shown", PromptStyle.plain)
    postprocess: bool = key(
        "keep of a prediction what stands before task.<name>.demonstration_end, as TRACE's "
        "in-context code does",
        False,
    )
    max_prompt_tokens: int | None = key(
        "longest prompt with its solved rows, which share half of it equally; null = nothing is "
        "cut, and what does not fit the model is refused",
        None,
    )


@dataclass
class EditConfig(Section):
    at: EditStages = key("when models are edited", EditStages.all)
    experts: Experts = key("what an edit merges that takes several models", Experts.single)
    rates: list[float] = key(
        "experts=rates: learning rates beside train.learning_rate, a sequence each",
        factory=list,
    )


@dataclass
class MethodConfig(Section):
    name: str = key("name of the method in tables", "???")
    schedule: Schedule = key("how tasks follow each other", Schedule.sequential)
    adapter: AdapterConfig | None = key(
        "train an adapter; null = all weights", None, identity=TRAIN
    )
    learning_rate_factor: float = key(
        "multiplies the learning rate (adapters want about ten times that of full training)", 1.0
    )
    prompting: PromptingConfig = key("in-context learning", factory=PromptingConfig)
    checkpoints: list[str] | None = key(
        "folders of stages 1..T that were trained elsewhere (models or adapters); null = train",
        None,
    )
    order: list[str] = key(
        "the strategies in the order in which their hooks run; empty = as they are listed",
        factory=list,
        identity=TRAIN,
    )
    edit: EditConfig = key("when and on what the method's edits work", factory=EditConfig)
    edits: dict[str, Any] = key(
        "filled from the method's other keys: edit name -> {_target_: its class, parameters}",
        factory=dict,
    )
    strategies: dict[str, Any] = key(
        "filled from the method's other keys: strategy name -> {_target_: its class, parameters}",
        factory=dict,
    )
