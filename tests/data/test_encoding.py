"""Training ids are generation ids, answers continue them, EOS ends what was not cut."""

import json
from pathlib import Path

import pytest
from support.places import MICRO_MODEL
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from harness.config.compose.compose import load
from harness.data.encoding import PromptFormat
from harness.models.loading import load_prompts

CONFIG = load([])


@pytest.fixture(scope="module")
def prompts() -> PromptFormat:
    return load_prompts(CONFIG.model, MICRO_MODEL)


@pytest.fixture(scope="module")
def sentencepiece_like(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    """A tokenizer that puts a word-start piece before the first word of any text, as LLaMA-2's."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE(unk_token=None, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first", split=True)
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<s>", "</s>"])
    text = ["Stance: A B C Answer: 42 the stone :C", "Answer:B", "a b c d e f g 1 2 3 4 5\n"]
    tokenizer.train_from_iterator(text * 3, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        clean_up_tokenization_spaces=False,
    )


@pytest.mark.parametrize("task", list(CONFIG.task))
def test_training_sees_what_generation_sees(task: str, prompts: PromptFormat) -> None:
    from lm_eval.api.instance import Instance

    from harness.evaluation.language_model import Asker

    settings = CONFIG.task[task]
    rows = json.loads((Path(CONFIG.data.root) / settings.folder / "test.json").read_text())[:20]
    limits = (settings.max_prompt_tokens, settings.max_answer_tokens)
    training = [prompts.example(row["prompt"], row["answer"], *limits) for row in rows]
    asker = Asker(prompts, context=2048, prompt_limit=settings.max_prompt_tokens)
    how = {"until": [], "do_sample": False, "max_gen_toks": settings.max_answer_tokens}
    requests = [
        Instance("generate_until", row, (row["prompt"], how), index)
        for index, row in enumerate(rows)
    ]
    [call] = asker.ask("generate_until", requests).calls
    alone = AutoTokenizer.from_pretrained(MICRO_MODEL)
    for row, seen, example in zip(rows, call.rows, training, strict=True):
        assert seen == example.prompt_ids == alone(row["prompt"])["input_ids"]


@pytest.mark.parametrize("task", list(CONFIG.task))
def test_text_survives_and_ends_with_eos(task: str, prompts: PromptFormat) -> None:
    settings = CONFIG.task[task]
    rows = json.loads((Path(CONFIG.data.root) / settings.folder / "train.json").read_text())
    for row in rows[:50]:
        example = prompts.example(row["prompt"], row["answer"], 10_000, 10_000)
        assert example.answer_ids[-1] == prompts.eos_token_id
        text = prompts.tokenizer.decode(
            example.prompt_ids + example.answer_ids[:-1], skip_special_tokens=True
        )
        # a literal <s> in code is the BOS token, which decoding drops
        assert text == (row["prompt"] + row["answer"]).replace("<s>", "")


def test_answers_do_not_grow_a_space(sentencepiece_like: PreTrainedTokenizerFast) -> None:
    prompts = PromptFormat(sentencepiece_like, sentencepiece_like.eos_token_id)
    for prompt, answer in [("Stance:", "C"), ("Answer:", "42"), ("Answer:", "B"), ("a b\n", "c")]:
        example = prompts.example(prompt, answer, 100, 100)
        ids = example.prompt_ids + example.answer_ids[:-1]
        assert sentencepiece_like.decode(ids, skip_special_tokens=True) == prompt + answer
        assert example.prompt_ids == sentencepiece_like(prompt)["input_ids"]


def test_left_truncation_keeps_bos_and_the_cue(prompts: PromptFormat) -> None:
    text = "word " * 100 + "Answer:"
    whole = prompts.prompt_ids(text)
    cut = prompts.prompt_ids(text, 10)
    assert len(cut) == 10
    assert cut[0] == prompts.tokenizer.bos_token_id
    assert cut[1:] == whole[-9:]


def test_a_cut_answer_has_no_eos_and_is_counted(prompts: PromptFormat) -> None:
    example = prompts.example("Answer:", "one two three four five six", 50, 4)
    assert len(example.answer_ids) == 4
    assert prompts.eos_token_id not in example.answer_ids
    assert example.answer_cut
    assert not example.prompt_cut


def test_several_eos_ids_learn_the_first() -> None:
    from types import SimpleNamespace

    from harness.data.encoding import first_eos

    generation = SimpleNamespace(eos_token_id=[7, 9])
    config = SimpleNamespace(eos_token_id=3)
    assert first_eos(config, generation, None) == 7
    assert first_eos(config, None, None) == 3


TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] | trim }}\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def test_a_chat_template_frames_the_prompt_and_survives_a_cut() -> None:
    tokenizer = AutoTokenizer.from_pretrained(MICRO_MODEL)
    tokenizer.chat_template = TEMPLATE
    chat = PromptFormat(tokenizer, tokenizer.eos_token_id, chat=True)
    prompt, answer = "Which of the two stones is red, the first or the second?", "the second"
    whole = tokenizer.apply_chat_template(
        [{"role": "user", "content": prompt}], add_generation_prompt=True, return_dict=False
    )
    assert chat.prompt_ids(prompt) == whole
    row = chat.example(prompt, answer, prompt_limit=200, answer_limit=50)
    assert row.prompt_ids == whole
    assert tokenizer.decode(row.answer_ids, skip_special_tokens=True) == answer
    assert tokenizer.decode(row.prompt_ids + row.answer_ids[:-1]).endswith(
        "<|assistant|>\n" + answer
    )
    limit = len(whole) - 5
    cut = tokenizer.decode(chat.prompt_ids(prompt, limit))
    assert len(chat.prompt_ids(prompt, limit)) <= limit
    assert cut.startswith(tokenizer.bos_token + "<|user|>")
    assert cut.endswith("second?\n<|assistant|>\n")
    assert chat.text_ids(prompt) == tokenizer(prompt)["input_ids"]
