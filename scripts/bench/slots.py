"""Token places that go through a model, padding included."""

from typing import Any


class Slots:
    """Counts the token places that a model is called with from now on."""

    def __init__(self, model: Any) -> None:
        self.count = 0
        model.get_input_embeddings().register_forward_hook(self._add)

    def _add(self, module: Any, given: Any, made: Any) -> None:
        self.count += made.shape[:-1].numel()
