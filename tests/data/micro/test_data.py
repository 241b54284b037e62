"""The shipped tasks and probes: reproducible, disjoint, from large spaces, within their caps."""

from random import Random

import pytest
import yaml
from support.places import REPOSITORY

from harness.data.micro import DATA
from harness.data.micro.build import REPLAY_FILE, build_data
from harness.data.micro.catalogue import (
    PRETRAINING,
    PROBES,
    REPLAY_ITEMS,
    SPLITS,
    TASKS,
    held_out,
    pretraining_rows,
    task_splits,
)
from harness.data.micro.rows import Generator, distinct, read_rows

CONF = REPOSITORY / "conf"
FILES = [f"{task.name}/{split}.json" for task in TASKS for split in SPLITS]
FILES += [f"probes/{probe.name}/test.json" for probe in PROBES]
SCORED = list(FILES)
FILES += [REPLAY_FILE]


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    folder = tmp_path_factory.mktemp("micro")
    build_data(folder)
    return folder / "data"


def test_no_file_more_and_no_file_less(rebuilt):
    for folder in (DATA, rebuilt):
        found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.json"))
        assert found == sorted(FILES)


@pytest.mark.parametrize("name", FILES)
def test_shipped_bytes_are_rebuilt(rebuilt, name):
    assert (DATA / name).read_bytes() == (rebuilt / name).read_bytes()


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_splits_have_their_size_and_no_prompt_twice(task):
    splits = {split: read_rows(DATA / task.name / f"{split}.json") for split in SPLITS}
    assert {split: len(rows) for split, rows in splits.items()} == SPLITS
    prompts = [row["prompt"] for rows in splits.values() for row in rows]
    assert len(set(prompts)) == len(prompts)
    for row in (row for rows in splits.values() for row in rows):
        assert set(row) == {"prompt", "answer"}
        assert row["prompt"]
        assert row["answer"] == row["answer"].strip() != ""


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_claimed_space_is_real_and_ten_times_the_items(task):
    items = sum(SPLITS.values())
    assert task.space >= 10 * items
    # draw that many distinct items rather than trust the arithmetic
    assert len(distinct(task, Random(0), 10 * items, set())) == 10 * items


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_probe_spaces(probe):
    assert len(distinct(probe, Random(0), min(probe.space, 1000), set())) >= 1000


def test_a_generator_that_runs_dry_says_so():
    one = Generator("one", lambda rng: {"prompt": "p", "answer": "a"}, 1)
    with pytest.raises(RuntimeError, match="one: cannot draw 2 new items from 1"):
        distinct(one, Random(0), 2, set())


def test_pretraining_draws_nothing_that_is_shipped():
    banned = held_out()
    shipped = {row["prompt"] for name in SCORED for row in read_rows(DATA / name)}
    assert banned == shipped
    replayed = {row["prompt"] for row in read_rows(DATA / REPLAY_FILE)}
    assert len(replayed) == REPLAY_ITEMS * len(PROBES)
    assert not replayed & banned
    stream = pretraining_rows("test")
    assert not any(next(stream)["prompt"] in banned for _ in range(2000))
    assert abs(sum(share for _, share in PRETRAINING) - 1) < 1e-9


@pytest.mark.parametrize("task", TASKS[:2], ids=lambda task: task.name)
def test_letters_are_balanced(task):
    answers = [row["answer"] for row in task_splits(task)["test"]]
    assert all(0.2 < answers.count(letter) / len(answers) < 0.5 for letter in "ABC")


def _settings(name: str) -> dict:
    """The YAML entry of a task or of a probe."""
    task = CONF / "task" / f"{name}.yaml"
    if task.exists():
        return yaml.safe_load(task.read_text())[name]
    for path in sorted((CONF / "suite").glob("micro_*.yaml")):
        (suite,) = yaml.safe_load(path.read_text()).values()
        if name in suite["benchmarks"]:
            return suite["benchmarks"][name]
    raise AssertionError(f"no YAML names {name}")


@pytest.mark.parametrize("generator", TASKS + PROBES, ids=lambda generator: generator.name)
def test_nothing_is_truncated(generator):
    from transformers import AutoTokenizer

    from harness.data.micro import MODEL
    from harness.data.micro.tokenizer import encode

    settings = _settings(generator.name)
    folder = settings["folder"].removeprefix("${package:data/micro/data}/")
    files = sorted((DATA / folder).glob("*.json"))
    assert files
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    for path in files:
        for row in read_rows(path):
            prompt, answer = encode(tokenizer, row)
            assert len(prompt) <= min(settings["max_prompt_tokens"], 110)
            assert len(answer) <= settings["max_answer_tokens"]
