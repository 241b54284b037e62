"""Work as frozen records: every field is marked, keys follow from the marks, JSON gives it back."""

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest
from support.raw_files import write_rows

from harness.config import BenchmarkConfig, TaskConfig
from harness.config.compose.compose import load
from harness.config.fields import EVAL, Record, detail, identity
from harness.config.plain import from_plain, identity_of, plain, typed
from harness.plan.planner import make_plan
from harness.store.keys import FileHashes, node_key
from harness.store.records import Benchmark, Content, Evaluation, Folder, Hub, Made, ModelRef
from harness.store.work import (
    KINDS,
    EditWork,
    EvalWork,
    JudgeWork,
    Plan,
    TrainWork,
    Work,
    work_of,
)


@pytest.fixture
def plan(tiny_run: list[str], tmp_path: Path) -> Plan:
    """Work of every kind: two stages, an edit that chooses on eval, a judged benchmark."""
    write_rows(tmp_path / "asked" / "test.json", [{"prompt": f"{i}?", "answer": ""} for i in "ab"])
    (tmp_path / "conf" / "suite").mkdir(parents=True)
    (tmp_path / "conf" / "suite" / "asked.yaml").write_text(
        "instruction:\n  benchmarks:\n    asked:\n      folder: asked\n"
        "      scorer: micro_refusal\n      headline: refused\n      judged: helpful\n"
    )
    kept = [word for word in tiny_run if not word.startswith(("suite=", "hydra.searchpath"))]
    paths = tiny_run[0].removeprefix("hydra.searchpath=[").removesuffix("]")
    return make_plan(
        load(
            [
                f"hydra.searchpath=[{paths},file://{tmp_path / 'conf'}]",
                *kept,
                "suite=[asked]",
                f"data.suite_root={tmp_path}",
                "method=greedy_soup",
                "judge=http",
                "judge.base_url=http://here/v1",
                "judge.model=m",
            ]
        ),
        FileHashes(),
    )


def test_a_field_without_a_mark_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"Bare\.depth: mark it identity\(\) or detail\(\)"):

        class Bare(Record):
            depth: int = 3

    with pytest.raises(TypeError, match=r"Plainer\.width: mark it"):

        @dataclass(frozen=True, kw_only=True)
        class Plainer(Work):
            width: int


def test_the_key_follows_from_the_identity_alone(plan: Plan) -> None:
    work = plan.of(TrainWork)[1]
    assert replace(work, label="other", stage=7, last=True, earlier=()).key == work.key
    assert replace(work, seed=1).key != work.key
    assert replace(work, model=replace(work.model, key="x")).key != work.key
    moved = replace(work.parts[0], data=replace(work.parts[0].data, path="elsewhere"))
    assert replace(work, parts=(moved,)).key == work.key
    other = replace(work.parts[0], data=replace(work.parts[0].data, sha256="other"))
    assert replace(work, parts=(other,)).key != work.key
    here = replace(work.settings.engine, ranks=2, threads=1)
    assert replace(work, settings=replace(work.settings, engine=here)).key == work.key
    clipped = replace(work.settings.train, clip=0.5)
    assert replace(work, settings=replace(work.settings, train=clipped)).key != work.key


def test_a_new_field_at_its_default_and_another_order_keep_the_key() -> None:
    @dataclass(frozen=True)
    class Now(Record):
        a: int = identity()
        b: str = identity("x")

    @dataclass(frozen=True, kw_only=True)
    class Later(Record):
        new: Content | None = identity(None)
        b: str = identity("x")
        place: str = detail("here")
        a: int = identity()

    def key(record: Record) -> str:
        return node_key(identity_of(record, "any"))

    assert key(Now(1, "y")) == key(Later(a=1, b="y", place="there"))
    assert key(Now(1)) != key(Later(a=1, new=Content("p", "hash")))


def test_work_is_the_same_after_json(plan: Plan) -> None:
    assert {work.kind for work in plan.nodes} == set(KINDS)
    for work in plan.nodes:
        again = work_of(json.loads(json.dumps(work.to_json())))
        assert type(again) is type(work)
        assert again.key == work.key
        assert again.to_json() == work.to_json()
        assert again.needs() == work.needs()


def test_models_are_told_apart_in_json() -> None:
    for model in (Hub("org/name", None, "k"), Folder("/x", "k"), Made("train", "k")):
        assert typed(ModelRef, json.loads(json.dumps(plain(model)))) == model


def test_a_configuration_is_the_same_after_json(tiny_run: list[str]) -> None:
    config = load([*tiny_run, "method=[lora_seqft,wise_ft]", "suite=micro_safety"])
    assert from_plain(json.loads(json.dumps(plain(config)))) == config


def test_scoring_sees_every_key_that_changes_it() -> None:
    """What the configuration marks for scoring, and Benchmark lacked, would be left out of keys."""
    seen = {spec.name: spec.metadata["identity"] for spec in fields(Benchmark)}
    seen |= {spec.name: spec.metadata["identity"] for spec in fields(Evaluation)}
    for config in (TaskConfig, BenchmarkConfig):
        for spec in fields(config):
            if set(EVAL) & set(spec.metadata["identity"]):
                assert seen.get(spec.name), f"{config.__name__}.{spec.name}"


def test_a_judge_reads_answers_and_names_the_model_that_gave_them(plan: Plan) -> None:
    models = {work.key: work.model for work in plan.of(EvalWork)}
    judged = plan.of(JudgeWork)
    assert [work.stage for work in judged] == [0, 1, 2]
    for work in judged:
        assert work.model == models[work.candidate.key]
        assert work.needs() == [("eval", work.candidate.key), ("eval", work.baseline.key)]


def test_an_edit_needs_the_models_that_it_merges(plan: Plan) -> None:
    (edit,) = plan.of(EditWork)
    assert edit.needs() == [("train", work.key) for work in plan.of(TrainWork)]
    assert [Path(asked.data.path).name for asked in edit.validation if asked.data] == [
        "eval.json"
    ] * 2
    harder = replace(edit.validation[0], limit=3)
    assert replace(edit, validation=(harder, edit.validation[1])).key != edit.key
