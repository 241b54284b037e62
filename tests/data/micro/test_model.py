"""The shipped tokenizer and model, and twenty steps of the pretraining that made them."""

import subprocess
import sys
from itertools import islice

import pytest

from harness.data.micro import DATA, MODEL
from harness.data.micro.catalogue import probe_rows
from harness.data.micro.rows import read_rows
from harness.data.micro.skills import ARITHMETIC

TEXTS = [
    "Grüße aus Zürich: „Straße“, ß und Ä!",
    "判断以下文本对指定对象的态度。支持",
    "def f ( x ) : <EOL>\treturn x . y [ <NUM_LIT:5> ]\n\n  # done",
    "emoji 👩‍🔬🦊, accents é e\u0301, controls \x00\x7f, spaces \u00a0\u3000",
    "A , b . c ' s  n't",
]


@pytest.fixture(scope="module")
def tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(MODEL)


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_survives(tokenizer, text):
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert tokenizer.unk_token is None


def test_shipped_rows_survive(tokenizer):
    for path in sorted(DATA.rglob("test.json")):
        for row in read_rows(path):
            for text in (row["prompt"], row["answer"]):
                ids = tokenizer(text, add_special_tokens=False)["input_ids"]
                assert tokenizer.decode(ids) == text


def test_bos_is_added_and_eos_is_not(tokenizer):
    ids = tokenizer("hello")["input_ids"]
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.eos_token_id not in ids
    assert (tokenizer.bos_token, tokenizer.eos_token) == ("<s>", "</s>")


def test_the_folder_is_small_and_loads(tokenizer):
    from transformers import AutoModelForCausalLM

    assert sum(path.stat().st_size for path in MODEL.iterdir()) <= 4_000_000
    model = AutoModelForCausalLM.from_pretrained(MODEL)
    assert str(model.dtype) == "torch.float32"
    assert model.config.vocab_size == len(tokenizer)
    assert model.config.max_position_embeddings == 2048
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id


def test_the_model_knows_some_arithmetic(tokenizer):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(MODEL)
    right = 0
    for row in probe_rows(ARITHMETIC)[:20]:
        prompt = tokenizer(row["prompt"], return_tensors="pt")
        made = model.generate(**prompt, do_sample=False, max_new_tokens=4)
        reply = tokenizer.decode(made[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)
        right += reply == row["answer"]
    assert right >= 10


@pytest.mark.slow
def test_twenty_steps_of_pretraining_reduce_the_loss(tokenizer):
    from harness.data.micro.pretrain import pretrain

    _, losses = pretrain(tokenizer, steps=20, report=lambda line: None)
    assert len(losses) == 20
    assert sum(losses[-5:]) / 5 < sum(losses[:5]) / 5 - 0.5


def test_rows_are_drawn_and_encoded_the_same_each_time(tokenizer):
    from harness.data.micro.pretrain import batches

    first, again = (list(islice(batches(tokenizer, "seed"), 2)) for _ in range(2))
    assert first == again


def test_data_is_built_without_torch(tmp_path):
    code = (
        "import sys; from harness.data.micro.build import main;"
        f"main(['--only', 'data', '--out', {str(tmp_path)!r}]);"
        "assert not {'torch', 'transformers', 'tokenizers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
