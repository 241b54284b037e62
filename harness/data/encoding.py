"""How text becomes token ids: the one place that training and evaluation share."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

ANCHORS = ("\n", ":", ".", "0")


class RowId(NamedTuple):
    """Which row of a training file: the task's name and the place in its file, from 0. The same in
    every stage that trains on the row."""

    task: str
    index: int


@dataclass(frozen=True)
class Example:
    """One encoded row: what the model sees, and what it must answer. `id` is None for rows of no
    file."""

    prompt_ids: list[int]
    answer_ids: list[int]
    prompt_cut: bool = False
    answer_cut: bool = False
    id: RowId | None = None

    def __len__(self) -> int:
        return len(self.prompt_ids) + len(self.answer_ids)


class PromptFormat:
    """Encodes prompts and answers with one tokenizer.

    Prompt ids are exactly what generation sees: the tokenizer's own encoding (BOS included where
    it adds one), cut on the left behind the BOS. Answer ids continue those ids and end with EOS;
    an answer that was cut has no EOS, since the text does not end there.

    With a chat template a prompt is what the user says, and the answer stands behind the template's
    cue for the assistant; a prompt that is too long loses its own head, never the template.
    """

    apart = False  # is the answer read by another part of the model than the prompt?

    def __init__(self, tokenizer: Any, eos_token_id: int, chat: bool = False) -> None:
        self.tokenizer = tokenizer
        self.eos_token_id = eos_token_id
        self.chat = _chat_frame(tokenizer) if chat else None

    def prompt_ids(self, prompt: str, limit: int | None = None) -> list[int]:
        """Ids of a prompt, at most `limit` of them."""
        return self._fitted(self._context(prompt), prompt, limit)

    def text_ids(self, text: str) -> list[int]:
        """Ids of a text as it is, BOS included where the tokenizer adds one, no template."""
        return self.tokenizer(text, add_special_tokens=True)["input_ids"]

    def count(self, text: str) -> int:
        """Number of tokens of a text alone."""
        return len(self._bare(text))

    def first(self, text: str, count: int) -> str:
        """The text's first tokens."""
        ids = self._bare(text)
        return text if len(ids) <= count else self._decode(ids[:count]).rstrip("\ufffd")

    def last(self, text: str, count: int) -> str:
        """The text's last tokens; bytes of a character that was cut in two are left out."""
        ids = self._bare(text)
        return text if len(ids) <= count else self._decode(ids[-count:]).lstrip("\ufffd")

    def example(self, prompt: str, answer: str, prompt_limit: int, answer_limit: int) -> Example:
        """Encode one row for training."""
        whole = self._context(prompt)
        prompt_ids = self._fitted(whole, prompt, prompt_limit)
        answer_ids = [*self._answer_ids(whole, prompt, answer), self.eos_token_id]
        return Example(
            prompt_ids=prompt_ids,
            answer_ids=answer_ids[:answer_limit],
            prompt_cut=len(whole) > prompt_limit,
            answer_cut=len(answer_ids) > answer_limit,
        )

    def _context(self, prompt: str) -> list[int]:
        if self.chat is None:
            return self.text_ids(prompt)
        return self._bare(self.chat[0] + prompt + self.chat[1])

    def _fitted(self, ids: list[int], prompt: str, limit: int | None) -> list[int]:
        if limit is None or len(ids) <= limit or self.chat is None:
            return self._cut(ids, limit)
        before, behind = (self._bare(part) for part in self.chat)
        room = max(1, limit - len(before) - len(behind))
        return [*before, *self._bare(prompt)[-room:], *behind]

    def _cut(self, ids: list[int], limit: int | None) -> list[int]:
        if limit is None or len(ids) <= limit:
            return ids
        bos = self.tokenizer.bos_token_id
        if bos is not None and ids[0] == bos and limit > 1:
            return [bos, *ids[-(limit - 1) :]]
        return ids[-limit:]

    def _answer_ids(self, prompt_ids: list[int], prompt: str, answer: str) -> list[int]:
        """The joint encoding behind the prompt's ids where those are its prefix; else the answer
        encoded alone, without the piece that some tokenizers put before a text's first word."""
        if self.chat is not None:
            prompt = self.chat[1]
            prompt_ids, joint = self._bare(prompt), self._bare(prompt + answer)
        else:
            joint = self.text_ids(prompt + answer)
        if joint[: len(prompt_ids)] == prompt_ids:
            return joint[len(prompt_ids) :]
        alone = self._bare(answer)
        whole = self._decode(prompt_ids) + answer
        for candidate in (alone, alone[1:], *self._behind_anchors(answer)):
            if self._decode(prompt_ids + candidate) == whole:
                return candidate
        return alone

    def _behind_anchors(self, answer: str) -> Iterator[list[int]]:
        """The answer's ids as they stand behind a character that does not merge with it."""
        for anchor in ANCHORS:
            before, joint = self._bare(anchor), self._bare(anchor + answer)
            if joint[: len(before)] == before:
                yield joint[len(before) :]

    def _bare(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def _decode(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True)


class Seq2seqFormat(PromptFormat):
    """The same for an encoder-decoder, whose encoder reads the prompt and whose decoder writes the
    answer, so that neither's ids hang on the other's text.

    Prompt ids are the tokenizer's own encoding, with the EOS that T5's puts behind every text; it
    stays where a prompt is cut, on the left. Answer ids are those of the answer alone, and EOS.

    pad: the id under masks. start: what the decoder reads before the first token.
    """

    apart = True

    def __init__(self, tokenizer: Any, eos_token_id: int, pad: int, start: int) -> None:
        super().__init__(tokenizer, eos_token_id)
        self.pad, self.start = pad, start

    def _answer_ids(self, prompt_ids: list[int], prompt: str, answer: str) -> list[int]:
        return self._bare(answer)


def _chat_frame(tokenizer: Any) -> tuple[str, str]:
    """The chat template's text before and behind what the user says."""
    marker = "@@prompt@@"
    said = [{"role": "user", "content": marker}]
    text = tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
    before, _, behind = text.partition(marker)
    return before, behind


def first_eos(model_config: Any, generation_config: Any, tokenizer: Any) -> int:
    """The EOS id to learn: of the generation config (its first), the model or the tokenizer."""
    for source in (generation_config, model_config, tokenizer):
        value = getattr(source, "eos_token_id", None)
        if isinstance(value, list | tuple) and value:
            return int(value[0])
        if value is not None:
            return int(value)
    raise ValueError("the model has no EOS token id")


BYTES_A_TOKEN = 3


def rough_tokens(text: str) -> int:
    """About how many tokens a text has, without a tokenizer."""
    return len(text.encode()) // BYTES_A_TOKEN + 1
