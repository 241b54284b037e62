"""Fixtures shared by all tests: a tiny model folder, small task data."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.places import MICRO_MODEL
from support.raw_files import write_rows
from support.tiny_t5 import write_t5

from harness.config.allowed import ALLOWED
from harness.run.launch.forked import PASSING

PASSING.add("PYTEST_CURRENT_TEST")  # of another value in every test, and no rank looks at it

# Read when torch is first imported. Processes that test side by side share the cores, and a thread
# that spins while it waits takes them from the others. Set in these processes alone: what the one
# that starts them sets, they would inherit.
if _BESIDE := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    _SHARE = max(1, len(os.sched_getaffinity(0)) // int(_BESIDE))
    os.environ.setdefault("OMP_NUM_THREADS", str(_SHARE))
os.environ.setdefault("GOMP_SPINCOUNT", "10000")


@pytest.fixture(autouse=True)
def no_code_stays_allowed() -> Iterator[None]:
    """A process follows what it once allowed; the tests of a worker are one process."""
    before = ALLOWED.copy()
    yield
    ALLOWED.clear()
    ALLOWED.update(before)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of two layers with the micro tokenizer, as a model folder."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("tiny") / "model"
    tokenizer = AutoTokenizer.from_pretrained(MICRO_MODEL)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=192,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random T5 of two and three blocks with the micro tokenizer, as a model folder."""
    return write_t5(tmp_path_factory.mktemp("tiny") / "t5")


@pytest.fixture(scope="session")
def tiny_flan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in the form of T5 1.1 and FLAN-T5."""
    return write_t5(tmp_path_factory.mktemp("tiny") / "flan", gated=True)


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks of different lengths in TRACE's folder format: `copy` and `count`."""
    root = tmp_path_factory.mktemp("data")
    source = random.Random(1)
    words = ["rot", "blau", "grün", "red", "green", "stone", "river", "cloud"]
    for task in ("copy", "count"):
        for split, size in (("train", 33), ("eval", 6), ("test", 8)):
            rows = []
            for _ in range(size):
                chosen = [source.choice(words) for _ in range(source.randint(1, 9))]
                answer = " ".join(chosen) if task == "copy" else str(len(chosen))
                rows.append({"prompt": f"{task}: {' '.join(chosen)}\nAnswer:", "answer": answer})
            write_rows(root / task / f"{split}.json", rows)
    return root


@pytest.fixture(scope="session")
def tiny_conf(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Overrides that choose two tiny tasks, which live in a config folder of their own."""
    folder = tmp_path_factory.mktemp("conf")
    (folder / "task").mkdir()
    for name in ("copy", "count"):
        (folder / "task" / f"{name}.yaml").write_text(
            f"{name}:\n  folder: {name}\n  scorer: exact\n"
            "  headline: accuracy\n  max_prompt_tokens: 64\n  max_answer_tokens: 32\n"
        )
    return [
        f"hydra.searchpath=[file://{folder}]",
        "task=[copy,count]",
        "suite=[]",
        "train.batch_size=8",
        "train.learning_rate=1e-3",
        "engine.device=cpu",
    ]


@pytest.fixture
def tiny_run(tiny_model: Path, tiny_data: Path, tiny_conf: list[str], tmp_path: Path) -> list[str]:
    """Overrides of a complete tiny run with a store of its own."""
    return [
        *tiny_conf,
        f"model.path={tiny_model}",
        f"data.root={tiny_data}",
        f"store.root={tmp_path / 'store'}",
        f"store.results={tmp_path / 'results'}",
    ]
