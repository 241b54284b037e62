"""The content keys of every preset and suite, on fixed stand-ins for all files.

Whoever moves or renames a file of the package changes none of them. A change that is meant (a
new default, a raised version, a new preset) is written down by

    GOLDEN_KEYS=write python -m pytest tests/store/test_golden_keys.py

and every key that changes makes stored work of that kind be done again.
"""

import json
import os
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from support.raw_files import write_rows

from harness.config.compose.compose import load
from harness.config.places import option_names
from harness.evaluation.amounts import UNKNOWN
from harness.plan.planner import make_plan
from harness.store.keys import FileHashes, digest

GOLDEN = Path(__file__).with_name("golden_keys.json")
WRITE = os.environ.get("GOLDEN_KEYS") == "write"
MORE = {"foreign": ["method.checkpoints=[a,b,c,d,e,f,g,h]"]}
JUDGED = ["suite=instruction_prompts", "judge=http", "judge.base_url=http://x/v1", "judge.model=m"]
CASES = {
    **{f"method={name}": MORE.get(name, []) for name in option_names("method", [])},
    **{f"suite={name}": ["sequence=micro2"] for name in option_names("suite", [])},
    "judge=http": [*JUDGED, "sequence=micro2"],
    "data.replay_set": ["method=replay", "method.extra=${data.replay_set}"],
    "seed": ["seed=1"],
    "objective": ["+train.objective.label_smoothing=0.1"],
    "sampled": ["eval.temperature=0.7"],
}


class StandIns(FileHashes):
    """Hashes by the last two parts of a name, whatever the file holds."""

    def file(self, path: Path) -> str:
        return digest(path.parts[-2:])

    def folder(self, path: Path) -> dict[str, str]:
        return {"file": digest(path.name)}


@pytest.fixture(scope="module")
def plan_keys(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, str]]:
    """A case's keys: kind of node -> hash of all keys of this kind."""
    root = tmp_path_factory.mktemp("golden")
    patched = pytest.MonkeyPatch()
    patched.setattr("harness.plan.scoring.version", lambda package: "any")
    patched.setattr("harness.plan.scoring.of_source", lambda *args: UNKNOWN)
    rows = [{"prompt": f"{i}?", "answer": "AB"[i % 2]} for i in range(8)]
    for task in load([]).task.values():
        for split in ("train", "eval", "test"):
            write_rows(root / task.folder / f"{split}.json", rows)

    def keys(case: str) -> dict[str, str]:
        chosen = [] if case.partition("=")[0] not in ("method", "suite") else [case]
        none = [] if case.startswith(("suite", "judge")) else ["suite=[]"]
        overrides = [*none, *chosen, *CASES[case], f"data.root={root}", f"data.suite_root={root}"]
        config = load(overrides)
        for suite in config.suite.values():
            for benchmark in suite.benchmarks.values():
                if benchmark.folder and not Path(benchmark.folder).is_absolute():
                    (root / benchmark.folder).mkdir(parents=True, exist_ok=True)
        found: dict[str, list[str]] = defaultdict(list)
        for node in make_plan(config, StandIns()).nodes:
            found[node.kind].append(node.key)
        return {kind: digest(some) for kind, some in found.items()}

    yield keys
    patched.undo()


def test_every_preset_and_suite_is_listed() -> None:
    if WRITE:
        GOLDEN.write_text("{}\n")
    else:
        assert sorted(json.loads(GOLDEN.read_text())) == sorted(CASES)


@pytest.mark.parametrize("case", CASES)
def test_keys_are_what_they_were(case: str, plan_keys: Callable[[str], dict[str, str]]) -> None:
    golden = json.loads(GOLDEN.read_text())
    found = plan_keys(case)
    if WRITE:
        text = json.dumps(golden | {case: found}, indent=1, sort_keys=True)
        GOLDEN.write_text(f"{text}\n")
        return
    changed = sorted(k for k in {*found, *golden[case]} if found.get(k) != golden[case].get(k))
    assert not changed, f"{case}: other content keys of these kinds of node: {', '.join(changed)}"
