"""lm-eval's view of a model, in two halves: what it asks as token ids, and the answers as it takes
them. Texts are encoded with the format that training uses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lm_eval import utils
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM, TemplateLM
from lm_eval.models.utils import normalize_gen_kwargs, postprocess_generated_text

from harness.data.encoding import PromptFormat
from harness.errors import StageFailed
from harness.generation.backend import Sampling
from harness.generation.requests import Call

MAX_TOKENS = 256  # lm-eval's own, for tasks that name none


@dataclass(frozen=True)
class Asked:
    """What a backend is to be asked for some requests of lm-eval, and what makes lm-eval's
    responses of the answers to each call."""

    calls: list[Call]
    respond: Callable[[Sequence[Sequence[Any]]], list[Any]]


class Asker(TemplateLM):
    """Turns lm-eval's requests into prompt ids that equal the training ids, token for token.

    It has the methods of lm-eval's models, but they answer nothing yet: each returns what to ask.
    prompt_limit: bounds the prompts of generations; null = the context does. context: of the model,
    in tokens. lm-eval's own class for transformers decides about the BOS of a whole batch by its
    first string and cuts prompts without keeping the BOS; both would make generation see other ids
    than training.
    """

    def __init__(self, prompts: PromptFormat, context: int, prompt_limit: int | None) -> None:
        super().__init__()
        self.prompts, self.context, self.prompt_limit = prompts, context, prompt_limit
        self.tokenizer = prompts.tokenizer
        self.backend = "seq2seq" if prompts.apart else "causal"  # how lm-eval encodes pairs
        self._requests = self._cut = 0

    def ask(self, kind: str, requests: list[Instance]) -> Asked:
        """What to ask for requests of one of lm-eval's kinds."""
        return getattr(self, kind)(requests, disable_tqdm=True)

    def counted(self) -> dict[str, float]:
        """Requests so far (a choice of an item is one), and the share whose prompt was cut on the
        left to fit."""
        share = self._cut / self._requests if self._requests else 0.0
        return {"requests": self._requests, "truncated_prompts": share}

    @property
    def eot_token_id(self) -> int:
        """The EOS that training teaches."""
        return self.prompts.eos_token_id

    @property
    def prefix_token_id(self) -> int:
        """What stands before a text that has no context."""
        bos = self.tokenizer.bos_token_id
        return self.eot_token_id if bos is None else bos

    @property
    def tokenizer_name(self) -> str:
        """What lm-eval calls the tokenizer in its own records."""
        return self.tokenizer.name_or_path

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **kwargs: Any
    ) -> list[int]:
        """Ids of a whole text; with add_special_tokens=False, without BOS. The prompt limit does
        not apply: lm-eval tells context and continuation of a likelihood apart by their lengths."""
        if add_special_tokens is False:
            return self.tokenizer.encode(string, add_special_tokens=False)
        return self.prompts.text_ids(string)

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> Asked:
        """The texts that follow the requests' prompts, each up to its first stop text."""
        groups = self._alike(requests)
        calls = [
            Call(how, [self._prompt(requests[i].args[0], how.max_tokens) for i in indices])
            for how, indices in groups
        ]

        def respond(answers: Sequence[Sequence[Any]]) -> list[str]:
            texts: dict[int, str] = {}
            for (how, indices), made in zip(groups, answers, strict=True):
                for index, ids in zip(indices, made, strict=True):
                    text = self.tokenizer.decode(ids, skip_special_tokens=True)
                    texts[index] = postprocess_generated_text(text, list(how.stop), None)
            return [texts[index] for index in range(len(requests))]

        return Asked(calls, respond)

    def _alike(self, requests: list[Instance]) -> list[tuple[Sampling, list[int]]]:
        """Which requests are continued in the same way."""
        groups: list[tuple[Sampling, list[int]]] = []
        for index, request in enumerate(requests):
            how = _sampling(request.args[1])
            group = next((members for known, members in groups if known == how), None)
            if group is None:
                group = []
                groups.append((how, group))
            group.append(index)
        return groups

    def _prompt(self, text: str, new_tokens: int) -> list[int]:
        limit = self._room(new_tokens)
        whole = self.prompts.prompt_ids(text)
        self._requests += 1
        self._cut += len(whole) > limit
        return whole if len(whole) <= limit else self.prompts.prompt_ids(text, limit)

    def _room(self, new_tokens: int) -> int:
        """Most tokens of a prompt. One that is read apart has the context to itself, which says
        how long texts were in pretraining: the task's own limit is what training cuts by."""
        if self.prompts.apart:
            return self.context if self.prompt_limit is None else self.prompt_limit
        room = self.context - new_tokens
        if room <= 0:
            raise StageFailed(
                f"answers of {new_tokens} tokens leave no room for a prompt in the model's context "
                f"of {self.context}; lower max_answer_tokens"
            )
        return room if self.prompt_limit is None else min(room, self.prompt_limit)

    def _loglikelihood_tokens(
        self, requests: list[tuple[Any, list[int], list[int]]], **kwargs: Any
    ) -> Asked:
        """Likelihoods; the last tokens of context and continuation that fit are kept."""
        pairs = [(context, continuation) for _, context, continuation in requests]
        self._requests += len(pairs)
        if self.prompts.apart:
            self._cut += sum(len(context) > self.context for context, _ in pairs)
        else:
            self._cut += sum(len(a) + len(b) > self.context + 1 for a, b in pairs)
        return Asked([Call(None, pairs)], lambda answers: [tuple(found) for found in answers[0]])

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> Asked:
        """Log probability of whole texts, in windows of the model's context."""
        pairs, owners = [], []
        for number, request in enumerate(requests):
            windows = utils.get_rolling_token_windows(
                token_list=self.tok_encode(request.args[0]),
                prefix_token=self.prefix_token_id,
                max_seq_len=self.context,
                context_len=1,
            )
            made = [(None, *utils.make_disjoint_window(window)) for window in windows]
            pairs += made
            owners += [number] * len(made)

        def respond(answers: Sequence[Sequence[Any]]) -> list[float]:
            sums = [0.0] * len(requests)
            for number, (value, _) in zip(owners, answers[0], strict=True):
                sums[number] += value
            return sums

        return Asked(self._loglikelihood_tokens(pairs).calls, respond)


class Answered(LM):
    """A model whose responses are there already: of every kind of request, in their order."""

    def __init__(self, responses: Mapping[str, list[Any]]) -> None:
        super().__init__()
        self._responses = responses

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """The texts that were made."""
        return self._of("generate_until", requests)

    def loglikelihood(
        self, requests: list[Instance], disable_tqdm: bool = False
    ) -> list[tuple[float, bool]]:
        """The likelihoods that were found."""
        return self._of("loglikelihood", requests)

    def loglikelihood_rolling(
        self, requests: list[Instance], disable_tqdm: bool = False
    ) -> list[float]:
        """The log probabilities that were found."""
        return self._of("loglikelihood_rolling", requests)

    def _of(self, kind: str, requests: list[Instance]) -> list[Any]:
        found = self._responses[kind]
        assert len(found) == len(requests), "lm-eval asks for other requests than it built"
        return found


def _sampling(asked: dict[str, Any]) -> Sampling:
    """lm-eval's generation keys as what a backend takes."""
    options: dict[str, Any] = dict(normalize_gen_kwargs(asked, MAX_TOKENS))
    stop = tuple(text for text in options.pop("until") if text)
    temperature, sampled = options.pop("temperature", 0.0), options.pop("do_sample")
    return Sampling(options.pop("max_gen_toks"), temperature if sampled else 0.0, stop, options)
