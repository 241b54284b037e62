"""IFEval with a sentence model of nltk that knows no abbreviations, and without any."""

from pathlib import Path

import pytest
from support.command import harness, refused
from support.raw_files import write_lines

from harness.errors import ConfigError
from harness.evaluation.material import WHOLE
from harness.evaluation.prefetch.benchmarks import require_nltk
from harness.evaluation.sources import ifeval

FILES = ("collocations.tab", "sent_starters.txt", "abbrev_types.txt", "ortho_context.tab")


@pytest.fixture
def sentence_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """nltk's format of punkt_tab, with nothing learned: a sentence ends at . ! or ?"""
    import nltk

    folder = tmp_path / "nltk" / "tokenizers" / "punkt_tab" / "english"
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_text("")
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "nltk")])


def write_items(folder: Path, *items: tuple[list[str], list[dict]]) -> Path:
    rows = [
        {"key": i, "prompt": f"Write {i}", "instruction_id_list": names, "kwargs": arguments}
        for i, (names, arguments) in enumerate(items)
    ]
    write_lines(folder / "input_data.jsonl", rows)
    return folder


NO_COMMA, WORDS = "punctuation:no_comma", "length_constraints:number_words"
SENTENCES = "length_constraints:number_sentences"


@pytest.mark.usefixtures("sentence_model")
@pytest.mark.parametrize(
    ("text", "strict", "each", "loose", "each_loose"),
    [
        ("One two three. Four.", True, [True, True, True], True, [True, True, True]),
        ("One, two three. Four.", False, [False, True, True], False, [False, True, True]),
        ("One two.", False, [True, False, False], False, [True, False, False]),
        # loose: also without the first line
        ("Well, here:\nOne two three. Four.", False, [False, True, True], True, [True] * 3),
        ("", False, [False] * 3, False, [False] * 3),
    ],
)
def test_four_scores(
    tmp_path: Path, text: str, strict: bool, each: list, loose: bool, each_loose: list
) -> None:
    arguments = [
        {},
        {"relation": "at least", "num_words": 4},
        {"relation": "at least", "num_sentences": 2},
    ]
    material = ifeval.read(write_items(tmp_path, ([NO_COMMA, WORDS, SENTENCES], arguments)), 0)
    [row] = material.parts[WHOLE]
    assert row["prompt"] == "Write 0"
    assert ifeval.score(row, [text]) == {
        "prompt_level_strict_acc": strict,
        "inst_level_strict_acc": each,
        "prompt_level_loose_acc": loose,
        "inst_level_loose_acc": each_loose,
    }


@pytest.mark.usefixtures("sentence_model")
def test_instructions_are_pooled_over_prompts(tmp_path: Path) -> None:
    """Through lm-eval: 2 of 3 instructions, 1 of 2 prompts."""
    from lm_eval.tasks import TaskManager

    from harness.config import BenchmarkConfig
    from harness.evaluation.material import store_parts
    from harness.evaluation.task_yaml import write_material
    from harness.plan.scoring import as_benchmark

    many = ([NO_COMMA, WORDS], [{}, {"relation": "at least", "num_words": 99}])
    material = ifeval.read(write_items(tmp_path, ([NO_COMMA], [{}]), many), 0)
    files = store_parts(material, tmp_path / "cache")
    benchmark = as_benchmark("ifeval", BenchmarkConfig(headline="", max_answer_tokens=7))
    write_material(tmp_path / "node", benchmark, material, files)
    manager = TaskManager(include_path=str(tmp_path / "node"), include_defaults=False)
    task = manager.load(["ifeval"])["tasks"]["ifeval"]
    results = [task.process_results(doc, ["no pause"]) for doc in task.test_docs()]
    pooled = task.aggregation()["inst_level_strict_acc"]
    assert pooled([result["inst_level_strict_acc"] for result in results]) == pytest.approx(2 / 3)
    assert [result["prompt_level_strict_acc"] for result in results] == [True, False]
    assert task.config.generation_kwargs["max_gen_toks"] == 7


def test_without_the_sentence_model_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nltk

    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    with pytest.raises(ConfigError, match="punkt_tab, which NLTK_DATA does not hold"):
        require_nltk(["punkt_tab"], "suite.x.source")


@pytest.fixture
def without_nltk_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder of nltk's data is known, and the network is forbidden."""
    import nltk

    monkeypatch.setattr(nltk.data, "path", [])
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.mark.usefixtures("without_nltk_data")
def test_the_command_line_refuses_before_anything_runs(tmp_path: Path) -> None:
    write_items(tmp_path / "instruction" / "ifeval", ([NO_COMMA], [{}]))
    store = tmp_path / "store"
    line = refused("suite=[ifeval]", f"data.suite_root={tmp_path}", f"store.root={store}")
    assert line.startswith("error: suite.instruction.benchmarks.ifeval.source: it scores with nltk")
    assert "NLTK_DATA" in line
    assert "harness prefetch" in line
    assert not (store / "eval").exists()


@pytest.mark.usefixtures("without_nltk_data")
def test_a_plan_names_what_is_still_to_fetch(tmp_path: Path) -> None:
    write_items(tmp_path / "instruction" / "ifeval", ([NO_COMMA], [{}]))
    where = [f"data.suite_root={tmp_path}", f"store.root={tmp_path / 'store'}"]
    done = harness("plan", "sequence=micro2", "suite=[ifeval]", *where)
    assert done.returncode == 0, done.stderr
    assert "to fetch before this can run: suite.instruction.benchmarks.ifeval" in done.stdout
    assert "score ifeval" in done.stdout


@pytest.mark.usefixtures("without_nltk_data")
def test_prefetch_knows_what_ifeval_needs() -> None:
    line = refused("prefetch", "suite=[ifeval]")
    assert line.startswith("error: nltk's punkt_tab cannot be fetched to ")
