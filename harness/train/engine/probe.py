"""Does this model treat a packed row like its examples alone? Asked of the model, not its name."""

from collections.abc import Callable
from typing import Any

from harness.data.batches import pack
from harness.data.encoding import Example

TOLERANCE = 1e-4  # fp32 logits; exact models stay below 1e-6, wrong ones start at 1e-2


def packs_exactly(model: Any, forward: Callable[..., Any] | None = None) -> bool:
    """Compare the logits of two short examples packed in one row with those of each alone.

    `model` is an fp32 module; `forward` is how it is called where that is not by itself (as a part
    of an engine that gathers its weights). Its mode and the random state are left as they were.
    """
    import torch

    forward = forward or model
    vocabulary = model.config.get_text_config().vocab_size
    tokens = [(7 * i + 3) % vocabulary for i in range(24)]
    examples = [Example(tokens[:9], tokens[9:12]), Example(tokens[12:17], tokens[17:24])]
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            together = _logits(forward, examples, model.device)
            alone = torch.cat([_logits(forward, [one], model.device) for one in examples])
    except (TypeError, ValueError, RuntimeError):
        return False  # the model refuses position ids or partial logits
    finally:
        model.train(training)
    return bool((together - alone).abs().max() <= TOLERANCE)


def _logits(forward: Callable[..., Any], examples: list[Example], device: Any) -> Any:
    batch = pack(examples).to(device)
    logits = forward(**batch.inputs).logits
    return logits[batch.answer_rows, batch.answer_columns]
