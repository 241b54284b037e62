"""One sweep over the backends: trained once, scored by each, and told apart in the table."""

import csv
from collections import defaultdict
from pathlib import Path

import pytest
from support.command import harness
from support.vllm_python import stand_in_python


@pytest.mark.distributed
def test_backends_agree_and_are_not_mixed(tiny_run: list[str], tmp_path: Path) -> None:
    python = stand_in_python(tmp_path)
    done = harness(
        "-m",
        *(word for word in tiny_run if not word.startswith("task=")),
        "task=[copy]",
        "eval.backend=hf,paged,vllm",
        f"eval.vllm_python={python}",
        "eval.limit=4",
        "train.max_steps=1",
        "engine.ranks=1",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "results" / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    values: dict[str, dict[tuple[str, ...], str]] = defaultdict(dict)
    runs, groups = defaultdict(set), defaultdict(set)
    for row in rows:
        if row["suite"] == "cost":
            continue
        values[row["backend"]][row["stage"], row["benchmark"], row["metric"]] = row["value"]
        runs[row["backend"]].add(row["run"])
        groups[row["backend"]].add(row["group"])
    assert set(values) == {"hf", "paged", "vllm"}
    assert values["paged"] == values["hf"] == values["vllm"]
    assert all(len(of_one) == 1 for of_one in (*runs.values(), *groups.values()))
    assert len(set.union(*runs.values())) == len(set.union(*groups.values())) == 3
    assert len(list((tmp_path / "store" / "train").glob("*/manifest.json"))) == 1
    predictions = defaultdict(set)
    for path in (tmp_path / "store" / "eval").glob("*/predictions.jsonl"):
        predictions[path.read_bytes()].add(path.parent.name)
    assert sorted(map(len, predictions.values())) == [3, 3]
    shown = harness(
        "tables",
        "--scores",
        str(tmp_path / "results" / "scores.csv"),
        "--out",
        str(tmp_path / "tables"),
    )
    assert shown.returncode == 0, shown.stderr
    told = "".join(p.read_text() for p in (tmp_path / "tables").rglob("*.md"))
    for backend in ("hf", "paged", "vllm"):
        assert f"eval.backend={backend}" in told
