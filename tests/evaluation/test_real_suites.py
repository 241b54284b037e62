"""The publishers' real files: how much is in them, prompts as lm-eval makes them, one run."""

from pathlib import Path
from typing import Any

import pytest
from support.command import harness
from support.places import DATA, needs_data

from harness.evaluation.material import WHOLE, Material
from harness.evaluation.sources import advbench, bbh, boolq, gsm8k, mmlu, piqa, raw, tydiqa, xstest
from harness.evaluation.sources import open_ended as prompts
from harness.results.schema import read_scores

pytestmark = needs_data("general")


def sizes(material: Material) -> tuple[int, int]:
    """Number of parts and of items."""
    return len(material.parts), sum(len(rows) for rows in material.parts.values())


def test_every_published_item_is_there() -> None:
    general, instruction, safety = (DATA / name for name in ("general", "instruction", "safety"))
    found = {
        "mmlu": sizes(mmlu.read(general / "mmlu", 5)),
        "gsm8k": sizes(gsm8k.read(general / "gsm8k", 8)),
        "bbh": sizes(bbh.read(general / "bbh", 3)),
        "tydiqa": sizes(tydiqa.read(general / "tydiqa", 0)),
        "tydiqa, one shown": sizes(tydiqa.read(general / "tydiqa", 1)),
        "boolq": sizes(boolq.read(general / "boolq", 0)),
        "piqa": sizes(piqa.read(general / "piqa", 0)),
        "self_instruct": sizes(prompts.self_instruct(instruction / "self-instruct", 0)),
        "trace_self_instruct": sizes(prompts.read(instruction / "trace-self-instruct", 0)),
        "trace_lima": sizes(prompts.read(instruction / "trace-LIMA", 0)),
        "advbench": sizes(advbench.read(safety / "advbench", 0)),
        "xstest_safe": sizes(xstest.safe(safety / "xstest", 0)),
        "xstest_unsafe": sizes(xstest.unsafe(safety / "xstest", 0)),
        "cona": sizes(prompts.read(safety / "CoNa", 0)),
        "controversial": sizes(prompts.read(safety / "Controversial", 0)),
        "malicious": sizes(prompts.read(safety / "Malicious", 0)),
        "physical_safety": sizes(prompts.read(safety / "PhysicalSafetyUnsafe", 0)),
    }
    # numbers of the papers and of the publishers' own descriptions
    assert found == {
        "mmlu": (57, 14042),
        "gsm8k": (1, 1319),
        "bbh": (27, 6511),
        "tydiqa": (9, 5077),
        "tydiqa, one shown": (9, 5068),
        "boolq": (1, 3270),
        "piqa": (1, 1838),
        "self_instruct": (1, 252),
        "trace_self_instruct": (1, 175),
        "trace_lima": (1, 300),
        "advbench": (1, 520),
        "xstest_safe": (10, 250),
        "xstest_unsafe": (8, 200),
        "cona": (1, 178),
        "controversial": (1, 40),
        "malicious": (1, 100),
        "physical_safety": (1, 100),
    }


def own_task(path: str) -> dict[str, Any]:
    """One of the task files that ship with lm-eval."""
    import lm_eval.tasks
    from lm_eval.tasks._yaml_loader import load_yaml

    return load_yaml(Path(lm_eval.tasks.__file__).parent / path, resolve_func=False)


def rendered(template: str, doc: dict[str, Any]) -> str:
    from lm_eval.utils import apply_template

    return apply_template(template, doc)


def test_mmlu_prompts_are_those_of_lm_eval() -> None:
    folder = DATA / "general" / "mmlu"

    def document(row: dict[str, str]) -> dict[str, Any]:
        choices = [row[f"choice{i}"] for i in range(4)]
        return {"question": row["question"], "choices": choices, "answer": int(row["answer"])}

    for subject, rows in mmlu.read(folder, 5).parts.items():
        task = own_task(f"mmlu/default/mmlu_{subject}.yaml")
        shown = [document(row) for row in raw.csv_rows(folder / "dev" / f"{subject}_dev.csv")]
        solved = [
            f"{rendered(task['doc_to_text'], doc)} {task['doc_to_choice'][doc['answer']]}\n\n"
            for doc in shown
        ]
        first = document(raw.csv_rows(folder / "test" / f"{subject}_test.csv")[0])
        asked = rendered(task["doc_to_text"], first)
        assert rows[0]["prompt"] == task["description"] + "".join(solved) + asked
        assert rows[0]["answer"] == first["answer"]


def test_bbh_prompts_are_those_of_lm_eval() -> None:
    folder = DATA / "general" / "bbh"
    differing = []
    for name, rows in bbh.read(folder, 3).parts.items():
        task = own_task(f"bbh/cot_fewshot/{name}.yaml")
        solved = [
            f"{rendered(task['doc_to_text'], doc)}{doc['target']}\n\n"
            for doc in task["fewshot_config"]["samples"]
        ]
        example = raw.json_file(folder / f"{name}.json")["examples"][0]
        asked = rendered(task["doc_to_text"], example)
        if rows[0]["prompt"] != task["description"] + "".join(solved) + asked:
            differing.append(name)
        assert rows[0]["answer"] == example["target"]
    # its published examples reason on the line of the cue; lm-eval puts a line break there
    assert differing == ["sports_understanding"]


def test_choices_of_boolq_and_piqa_are_those_of_lm_eval() -> None:
    task = own_task("piqa/piqa.yaml")
    item = raw.json_lines(DATA / "general" / "piqa" / "valid.jsonl")[3]
    row = piqa.read(DATA / "general" / "piqa", 0).parts[WHOLE][3]
    assert row["prompt"] == rendered(task["doc_to_text"], item)
    assert str(row["choices"]) == rendered(task["doc_to_choice"], item)
    task = own_task("super_glue/boolq/default.yaml")
    row = boolq.read(DATA / "general" / "boolq", 0).parts[WHOLE][0]
    sentence = raw.json_file(DATA / "general" / "boolq" / "test.json")[0]["sentence"]
    question, passage = sentence.removeprefix("question: ").split("\npassage: ")
    doc = {"question": question, "passage": passage}
    assert row["prompt"] == rendered(task["doc_to_text"], doc)
    assert row["choices"] == task["doc_to_choice"]


@pytest.mark.slow
@pytest.mark.distributed
def test_six_general_benchmarks_in_one_command(tmp_path: Path) -> None:
    """One item of every subtask; fewer shots and shorter answers than the suite's, for time."""
    where = "suite.general.benchmarks"
    shorter = [f"{where}.{name}.max_answer_tokens=8" for name in ("gsm8k", "bbh")]
    shorter += [f"{where}.{name}.shots=1" for name in ("mmlu", "gsm8k", "bbh")]
    done = harness(
        *("experiment=suites_micro", "suite=[general]", f"data.suite_root={DATA}", "eval.limit=1"),
        *shorter,
        *("~suite.instruction", "~suite.safety"),
        *(f"store.root={tmp_path / 'store'}", f"store.results={tmp_path / 'results'}"),
    )
    assert done.returncode == 0, done.stderr
    rows = read_scores(tmp_path / "results" / "scores.csv").rows
    general = [row for row in rows if row["suite"] == "general"]
    parts = {"mmlu": 57, "bbh": 27, "tydiqa": 9, "gsm8k": 0, "boolq": 0, "piqa": 0}
    for name, count in parts.items():
        [headline] = [r for r in general if r["benchmark"] == name and r["headline"]]
        subtasks = [
            r
            for r in general
            if (r["benchmark"], r["metric"]) == (name, headline["metric"]) and r["subtask"]
        ]
        assert (len(subtasks), headline["n"]) == (count, max(count, 1))
        if subtasks:
            mean = sum(row["value"] for row in subtasks) / count
            assert headline["value"] == pytest.approx(mean)
