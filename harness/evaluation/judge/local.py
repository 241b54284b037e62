"""A judge that is a Hugging Face model on this machine."""

import threading
from typing import Any

from harness.config import JudgeConfig
from harness.evaluation.judge.cache import Reply
from harness.models.loading import load_judge


class LocalJudge:
    """Generates greedily, one request at a time. The tokenizer's chat template is used where it
    has one; else system and user text stand one after the other."""

    def __init__(self, judge: JudgeConfig, device: str) -> None:
        """Load the model onto 'cpu' or 'cuda'. Raises ConfigError for files that do not load."""
        self.judge = judge
        model, self.tokenizer = load_judge(judge.model, judge.revision, "judge.model")
        self.model: Any = model.to(device).eval()
        self._lock = threading.Lock()

    def ask(self, messages: list[dict[str, str]]) -> Reply:
        """One reply; a prompt that is longer than the model's positions loses its head."""
        import torch

        ids = self._ids(messages)
        positions = getattr(self.model.config, "max_position_embeddings", None)
        if positions is not None:
            ids = ids[-max(1, positions - self.judge.max_tokens) :]
        with self._lock, torch.no_grad():
            prompt = torch.tensor([ids], device=self.model.device)
            output = self.model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=self.judge.max_tokens,
                do_sample=False,
                pad_token_id=self.tokenizer.eos_token_id,
            )
        new = output[0, len(ids) :]
        text = self.tokenizer.decode(new, skip_special_tokens=True)
        return Reply(text, len(ids), len(new))

    def _ids(self, messages: list[dict[str, str]]) -> list[int]:
        if self.tokenizer.chat_template is not None:
            text = self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True
            )
            return self.tokenizer(text, add_special_tokens=False)["input_ids"]
        text = "\n\n".join(message["content"] for message in messages)
        return self.tokenizer(f"{text}\n\n")["input_ids"]
