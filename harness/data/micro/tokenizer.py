"""The micro tokenizer: byte-level BPE, so that any text survives, with a BOS and no EOS added."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from harness.data.micro.catalogue import TASKS, pretraining_rows, task_splits
from harness.data.micro.rows import Row

BOS, EOS = "<s>", "</s>"
VOCABULARY = 1024


def _corpus() -> Iterable[str]:
    rows = list(islice(pretraining_rows("tokenizer"), 8000))
    rows += [row for task in TASKS for row in task_splits(task)["train"]]
    for item in rows:
        # the literal BOS of code prompts is the special token, never a piece of text
        yield (item["prompt"] + "\n" + item["answer"]).replace(BOS, "")


def build_tokenizer(corpus: Iterable[str] | None = None, vocabulary: int = VOCABULARY) -> Any:
    """The tokenizer of a corpus (null = the micro tasks and their pretraining mix), with at most so
    many pieces."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    # digits one by one: sums are learned by columns and not as a table of number words
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[BOS, EOS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus() if corpus is None else corpus, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A",
        pair=f"{BOS} $A {BOS} $B",
        special_tokens=[(BOS, tokenizer.token_to_id(BOS))],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        clean_up_tokenization_spaces=False,
        model_max_length=2048,
    )


def encode(tokenizer: Any, row: Row) -> tuple[list[int], list[int]]:
    """Prompt ids with BOS, answer ids with EOS; the answer starts right after the prompt."""
    answer = tokenizer(row["answer"], add_special_tokens=False)["input_ids"]
    return tokenizer(row["prompt"])["input_ids"], [*answer, tokenizer.eos_token_id]
