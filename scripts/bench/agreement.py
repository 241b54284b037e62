"""Do contestants of the scoring benchmark give the same answers? Where they do not, by how much."""

from collections import defaultdict
from pathlib import Path
from typing import Any

from bench.suites import Suite

TOLERANCE = 1e-5  # of a log-likelihood, per scored token
CLOSE = 1e-4  # between the logits of the two best tokens


def compare(
    suite: Suite, folder: Path, mine: dict[str, Any], other: dict[str, Any]
) -> dict[str, Any]:
    """Numbers for the table, and `differences`: a line each."""
    if suite.kind == "loglikelihood":
        return _likelihoods(suite, folder, mine["answers"], other["answers"])
    return _texts(suite, folder, mine, other)


def _texts(
    suite: Suite, folder: Path, mine: dict[str, Any], other: dict[str, Any]
) -> dict[str, Any]:
    """Texts, and the gap between the two best tokens where ours leaves the other's."""
    pairs = enumerate(zip(mine["answers"], other["answers"], strict=True))
    unlike = [row for row, (a, b) in pairs if a != b]
    gaps = _Gaps(folder) if unlike else None
    lines, most = [], 0.0
    for row in unlike:
        assert gaps is not None
        gap, place = gaps.at_parting(suite.rows[row][0], mine["ids"][row], other["answers"][row])
        most = max(most, gap)
        lines.append(f"request {row}: parts at new token {place}, the two best {gap:.1e} apart")
    return {
        "compared": len(suite.rows),
        "unequal": len(unlike),
        "beyond_tolerance": sum(float(line.split()[-2]) > CLOSE for line in lines),
        "largest_difference": most,
        "differences": lines,
    }


class _Gaps:
    """A model asked where two greedy answers part."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)

    def at_parting(self, prompt: str, ids: list[int], other: str) -> tuple[float, int]:
        """The gap between the two largest logits at the first of our tokens that the other text
        does not begin with, and the number of that token."""
        import torch

        def begun(count: int) -> str:
            # The last token may be a part of a character, which the next one completes.
            return self.tokenizer.decode(ids[:count], skip_special_tokens=True).rstrip("\ufffd")

        place = next((n for n in range(len(ids)) if not other.startswith(begun(n + 1))), len(ids))
        seen = [*self.tokenizer(prompt)["input_ids"], *ids[:place]]
        with torch.no_grad():
            best = self.model(torch.tensor([seen])).logits[0, -1].topk(2).values
        return float(best[0] - best[1]), place


def _likelihoods(suite: Suite, folder: Path, mine: list[Any], other: list[Any]) -> dict[str, Any]:
    """Differences per scored token, and the items whose likeliest choice is another one."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    lines, most, beyond = [], 0.0, 0
    by_item: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for row, ((a, _), (b, _)) in enumerate(zip(mine, other, strict=True)):
        by_item[suite.items[row]].append((a, b))
        tokens = max(1, len(tokenizer(suite.rows[row][1], add_special_tokens=False)["input_ids"]))
        each = abs(a - b) / tokens
        most = max(most, each)
        if each > TOLERANCE:
            beyond += 1
            lines.append(f"request {row}: {a:.6f} and {b:.6f}, {each:.1e} per token")
    for item, values in by_item.items():
        ours, theirs = (list(column) for column in zip(*values, strict=True))
        if ours.index(max(ours)) != theirs.index(max(theirs)):
            first, second = sorted(ours, reverse=True)[:2]
            lines.append(f"item {item}: another choice, the two best {first - second:.1e} apart")
    return {
        "compared": len(mine),
        "unequal": sum("another choice" in line for line in lines),
        "beyond_tolerance": beyond,
        "largest_difference": most,
        "differences": lines,
    }
