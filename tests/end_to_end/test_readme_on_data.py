"""The documents' lines about TRACE run as they stand, on the real files cut to a few rows.

What a line needs besides (a model of the paper's size, a paid endpoint) is not there: it has to say
so, in one line each.
"""

import json
import os
import shutil
from pathlib import Path

import pytest
from support.documents import on_data, run, run_here
from support.endpoint import Endpoint
from support.places import MICRO_MODEL, REPOSITORY
from support.raw_files import write_rows

DATA = Path(os.environ.get("HARNESS_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
pytestmark = [
    pytest.mark.distributed,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (DATA / "trace-500").is_dir(), reason="HARNESS_TEST_DATA names no folder with trace-500"
    ),
]
# A part of a line -> the one line that it ends with, since what it names is not on this machine.
REFUSED = {
    "harness -m experiment=trace/table3": "meta-llama/Llama-2-7b-chat-hf at main is not in",
    "harness model=qwen2.5-0.5b": "Qwen/Qwen2.5-0.5B-Instruct at main is not in",
    "harness experiment=trace500_small_gpu": "Qwen/Qwen2.5-0.5B-Instruct at main is not in",
    "harness prefetch": "HF_HUB_OFFLINE",
}
# A part of a line -> what is added to it: these files are not all of the published ones, and one
# item of each benchmark is judged.
ADDED = {
    "prepare_data": " --allow-other",
    "suite=[safety]": " experiment=smoke eval.limit=1",
}


def cut(root: Path, rows: dict[str, int]) -> None:
    """Keep the first rows of every split below a folder."""
    for split, count in rows.items():
        for path in root.rglob(f"{split}.json"):
            write_rows(path, json.loads(path.read_text(encoding="utf-8"))[:count])


@pytest.fixture
def place(tmp_path: Path, tiny_data: Path) -> Path:
    """What the lines expect to find in the working directory."""
    shutil.copytree(DATA / "trace-500", tmp_path / "archive" / "LLM-CL-Benchmark_500")
    # Without its eval splits, so that `data` would refuse it.
    shutil.copytree(DATA / "trace-reasoning", tmp_path / "trace" / "reasoning")
    for folder in ("general", "instruction", "safety"):
        (tmp_path / "suites").mkdir(exist_ok=True)
        (tmp_path / "suites" / folder).symlink_to(DATA / folder)
    for name in ("scripts", "harness"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    (tmp_path / "my_tasks").symlink_to(tiny_data)
    for stage in ("after-fomc", "after-py150"):
        shutil.copytree(MICRO_MODEL, tmp_path / "models" / stage)
    outputs = {"prompts": ["p"], "predictions": ["a b"], "answers": ["a c"]}
    (tmp_path / "predictions.json").write_text(json.dumps(outputs))
    for name, answer in (("new", "a b"), ("old", "a")):
        answers = {"prompts": ["One?"], "results": [answer]}
        (tmp_path / f"{name}.json").write_text(json.dumps(answers))
    result = {"prompts": ["p"], "results": ["B"], "labels": ["B"]}
    theirs = tmp_path / "outputs_LLM-CL" / "cl" / "predictions"
    write_rows(theirs / "results-0-0-FOMC.json", result)
    return tmp_path


def test_every_command_that_needs_data(place: Path) -> None:
    variables = os.environ | {
        "TRACE_ARCHIVE": str(place / "archive"),
        "TRACE_DATA": str(place / "trace"),
        "SUITE_DATA": str(place / "suites"),
        "MODEL": str(MICRO_MODEL),
        "JUDGE_API_KEY": "none",
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(place / "hf"),
    }
    seen = set()
    with Endpoint() as endpoint:
        for line in on_data():
            if line.startswith(("export ", "make ")):
                continue
            told = line.replace("/models/", f"{place}/models/")
            told = told.replace("http://localhost:8000/v1", endpoint.url)
            told += next((more for part, more in ADDED.items() if part in line), "")
            expected = {part: text for part, text in REFUSED.items() if part in line}
            # What the hub's library reads when it is imported counts in a new process alone.
            done = (run if expected else run_here)(told, place, variables)
            assert done.returncode == (2 if expected else 0), f"{line}\n{done.stderr[-2000:]}"
            for text in expected.values():
                lines = done.stderr.strip().splitlines()
                # The model of 7 B, and it alone, is too large for most test machines besides.
                more = [line for line in lines if text not in line]
                assert len(lines) - len(more) == 1, done.stderr
                assert all("training llama2-7b-chat at ZeRO 2" in line for line in more), more
            seen |= expected.keys()
            if "prepare_data" in line:
                cut(place / "trace", {"train": 6, "eval": 3, "test": 3})
        assert endpoint.requests > 0
    assert seen == REFUSED.keys()
