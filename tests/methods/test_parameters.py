"""Strategies' parameters out of range: one line that names the key, before anything loads."""

from random import Random

import pytest
from support.command import refused

from harness.config import Schedule
from harness.config.compose.compose import load
from harness.errors import ConfigError
from harness.methods.loading import load_strategies
from harness.plan.checks.run import validate
from harness.plan.planner import make_plan
from harness.store.keys import FileHashes
from harness.store.work import TrainWork

AGEM = "+method.agem={_target_: agem}"


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["method=sfa", "method.p=0"], "method.sfa.p=0.0: it must be in (0, 1]"),
        (["method=sfa", "method.beta=1.5"], "method.sfa.beta=1.5: it must be in [0, 1]"),
        (["method=sfa", "method.beta=nan"], "method.sfa.beta=nan: it must be in [0, 1]"),
        (["method=sfa", "method.anchor=first"], "expected one of [previous, initial]"),
        (["method=sfa", "method.moments=half"], "expected one of [kept, reset]"),
        (["method=l2", "method.strength=-1"], "method.l2.strength=-1.0: it must be 0 or more"),
        (["method=l2", "method.form=both"], "method.l2.form: Invalid value 'both'"),
        (["method=ewc", "method.strength=inf"], "method.ewc.strength=inf: it must be 0 or more"),
        (["method=ewc", "method.num_samples=0"], "method.ewc.num_samples=0: it must be 1 or more"),
        (["method=ewc", "method.gamma=2"], "method.ewc.gamma=2.0: it must be in [0, 1]"),
        (["method=ewc", "method.fisher=exact"], "[empirical, sampled_labels, batched]"),
        (
            ["method=ewc", "method.variant=per_task", "method.gamma=0.9"],
            "method.ewc.gamma=0.9: variant=per_task has no decay",
        ),
        (
            ["method=ewc", "method.variant=per_task", "method.anchor=initial"],
            "method.ewc.anchor=initial: variant=per_task",
        ),
        (["method=agem", "method.ratio=1.1"], "method.agem.ratio=1.1: it must be in [0, 1]"),
        (["method=agem", "method.batch_size=0"], "method.agem.batch_size=0: it must be 1 or more"),
    ],
)
def test_out_of_range(overrides: list[str], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_strategies(load(overrides).method)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_the_command_line_tells_it_in_one_line(tiny_run: list[str]) -> None:
    line = refused(*tiny_run, "method=ewc", "method.gamma=-1")
    assert line == "error: method.ewc.gamma=-1.0: it must be in [0, 1]"


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["method=[seqft,o_lora]", "method.adapter.between_tasks=keep"], "between_tasks=stack"),
        (["+method.o_lora={_target_: o_lora}"], "it works on an adapter"),
        (["method=[lora_seqft,hft]"], "it is not defined for adapters"),
        (["method=[gem,sfa]", AGEM], "are both a gradient projection; choose one"),
        (["method=hft", "train.reset_optimizer=never"], "moments cannot be carried over"),
        (["method=migu", "method.migu.threshold=1"], "method.migu.threshold=1.0"),
        (["method=ema", "method.ema.decay=2"], "method.ema.decay=2.0"),
        (["method=lwf", "method.lwf.temperature=0"], "method.lwf.temperature=0.0"),
        (["method=gem", "method.gem.margin=-1"], "method.gem.margin=-1.0"),
        (["method=freeze", "method.freeze.layers=-1"], "method.freeze.layers=-1"),
        (["method=freeze", "method.freeze.layers=4"], "the model has 4; leave some"),
        (["method=lora_merge", "train.reset_optimizer=never"], "moments cannot be carried over"),
        (["method=lora_stack", "train.reset_optimizer=never"], "moments cannot be carried over"),
        (["method=[lora_merge,ewc]"], "use method.adapter.between_tasks=keep"),
        (["method=[lora_stack,sfa]", "method.anchor=initial"], "between_tasks=keep"),
        (["method=[ewc,hft]"], "method.hft trains others there"),
        (["method=[sfa,hft]", "method.anchor=initial"], "method.hft trains others there"),
        (["method=[replay,soup]"], "method.replay: it works with earlier tasks"),
        (["method=[single,ewc]"], "method.ewc: it works with earlier tasks"),
        (["method=[joint,gem]"], "method.gem: it works with earlier tasks"),
        (["method=[wise_ft,soup]"], "method.soup merges the models of several tasks: list it"),
        (["method=soup", "+method.soup.weights=[0.5,0.5]"], "2 of them for 3 tuned models"),
        (["method=consensus", "method.consensus.agree=3"], "there are 2 tuned models only"),
        (["+train.task_epochs.micro_units=0"], "train.task_epochs.micro_units=0: it must be at"),
        (["+train.objective.foo=1"], "train.objective.foo: CrossEntropy has no such parameter"),
        (["train.objective._target_=os.path.join"], "add code.allow=["),
        (
            ["train.objective._target_=os.path.join", "code.allow=[os.path]"],
            "is not a subclass of Objective",
        ),
    ],
)
def test_what_cannot_be_combined_is_refused(overrides: list[str], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(load(overrides))
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "overrides",
    [
        ["method=[freeze,ewc]"],
        ["method=[hft,sfa]"],
        ["method=[lora_stack,sfa]"],
        ["method=[single,sfa]"],
        ["method=consensus", "method.consensus.agree=3", "method.edit.at=final"],
        ["method=[sfa,lines]"],
        ["method=[migu,soup]", "method.migu.from_task=1"],
    ],
)
def test_what_can_be_combined_is_not(overrides: list[str]) -> None:
    validate(load(overrides))


def test_the_two_parents_of_an_alias_are_told_apart() -> None:
    with pytest.raises(ConfigError, match="replay and agem both have the alias 'ratio'"):
        load(["method=[replay_general,agem]"])


def test_presets_of_strategies_leave_the_schedule_to_others() -> None:
    options = ("agem", "ewc", "l2", "sfa", "gem", "migu", "hft", "ema", "lwf", "freeze")
    for option in (*options, "der", "kl_initial", "zscl", "gere", "fpf", "seekr"):
        assert load([f"method=[joint,{option}]"]).method.schedule is Schedule.joint


def test_every_visit_counts_as_a_task(tiny_run: list[str]) -> None:
    rules = ["sequence.tasks=[copy,count,copy,count]", "sequence.recurrence=true"]
    plan = make_plan(load([*tiny_run, *rules]), FileHashes())
    assert [len(node.earlier) for node in plan.of(TrainWork)] == [0, 1, 2, 3]


def test_the_limits_of_extra_rows_enter_the_key() -> None:
    """They are those of the widest task, so another last task cuts them elsewhere."""
    keys = []
    for last in ("micro_simple", "micro_sums"):
        config = load(["method=replay_general", f"task=[micro_units,{last}]"])
        keys.append(next(n.key for n in make_plan(config, FileHashes()).nodes if n.kind == "train"))
    assert keys[0] != keys[1]


def test_gem_solves_the_one_dimensional_conflict() -> None:
    """g = -1 against a memory gradient of 1: without margin the projected gradient is 0."""
    from harness.methods.gem import dual

    (v,) = dual([[1.0]], [-1.0])
    assert -1.0 + v * 1.0 == pytest.approx(0.0, abs=1e-12)


def test_half_of_every_category_is_frozen_and_drawn_anew() -> None:
    from harness.methods.hft import frozen_names

    names = {"model.embed_tokens.weight": (9, 4)}
    for block in range(4):
        at = f"model.layers.{block}"
        names |= {f"{at}.self_attn.{m}_proj.weight": (4, 4) for m in "qkvo"}
        names |= {f"{at}.mlp.{m}_proj.weight": (8, 4) for m in ("gate", "up", "down")}
        names |= {f"{at}.input_layernorm.weight": (4,), f"{at}.post_layernorm.weight": (4,)}
    names["lm_head.weight"] = (9, 4)
    frozen = frozen_names(names, Random(1))
    assert not frozen & {"model.embed_tokens.weight", "lm_head.weight"}
    for block in range(4):
        mine = [name for name in frozen if f"layers.{block}." in name]
        assert sum("self_attn" in name for name in mine) == 2
    counts = sorted(sum(f"layers.{b}.mlp" in name for name in frozen) for b in range(4))
    assert counts == [1, 1, 2, 2]
    assert sum("norm" in name for name in frozen) == 4
    assert frozen != frozen_names(names, Random(2))
