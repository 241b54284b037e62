"""What a plan expects a model to read, against counts by hand."""

import json
from pathlib import Path

from support.raw_files import write_mmlu

from harness.config import BenchmarkConfig
from harness.evaluation.amounts import measure, of_rows
from harness.evaluation.material import WHOLE, read_material
from harness.store.records import Demonstrations


def test_tokens_to_read_by_hand(tmp_path: Path) -> None:
    """Three bytes a token, and one more for what is left over."""
    data = tmp_path / "test.json"
    data.write_text(json.dumps([{"prompt": "x" * 30, "answer": "y"}] * 2))
    assert of_rows(data, 8).tokens == (2 * 8,)
    rows = ({"prompt": "x" * 8, "answer": "y"},)
    assert of_rows(data, 8, Demonstrations(rows)).tokens == (2 * (4 + 11),)
    limited = Demonstrations(rows, max_prompt_tokens=12)
    assert of_rows(data, 8, limited).tokens == (2 * 12,)
    folder = tmp_path / "mmlu"
    write_mmlu(folder, {"law": 3})
    rows = read_material("mmlu", folder, 0).parts["law"]
    benchmark = BenchmarkConfig(source="mmlu", headline="acc")
    amount = measure(benchmark, folder, "here")
    once = [len(row["prompt"].encode()) // 3 + 1 for row in rows]
    assert amount.tokens == (sum(once),)  # its letters are one token: one pass for all four
    assert amount.tokens_within(2) == 2 * sum(once) // 3


def test_choices_of_several_words_are_read_one_by_one(tmp_path: Path) -> None:
    goal = {"goal": "Open it.", "sol1": "two words", "sol2": "and three more"}
    (tmp_path / "valid.jsonl").write_text(json.dumps(goal))
    (tmp_path / "valid-labels.lst").write_text("0")
    benchmark = BenchmarkConfig(source="piqa", headline="acc")
    [row] = read_material(str(benchmark.source), tmp_path, 0).parts[WHOLE]
    one, two = (len((row["prompt"] + choice).encode()) // 3 + 1 for choice in row["choices"])
    assert measure(benchmark, tmp_path, "here").tokens == (one + two,)
