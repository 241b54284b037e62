"""What `torch.nn.attention.varlen.varlen_attn` computes, in plain PyTorch, for machines without the
kernel. Of its arguments those that the harness gives."""

import torch


def varlen_attn(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seq_q: torch.Tensor,
    cu_seq_k: torch.Tensor,
    max_q: int,
    max_k: int,
    *,
    scale: float | None,
    window_size: tuple[int, int],
    enable_gqa: bool,
) -> torch.Tensor:
    """Rows [tokens, heads, d] of sequences end to end; the softmax is written out."""
    assert window_size == (-1, 0)
    assert cu_seq_q.dtype == cu_seq_k.dtype == torch.int32
    assert max_q == max_k == int(cu_seq_q.diff().max())
    groups = query.shape[1] // key.shape[1]
    assert enable_gqa == (groups > 1)
    made = []
    for start, end in zip(cu_seq_q[:-1].tolist(), cu_seq_k[1:].tolist(), strict=True):
        q = query[start:end]
        k, v = (x[start:end].repeat_interleave(groups, 1) for x in (key, value))
        scores = torch.einsum("qhd,khd->hqk", q, k) * (scale or q.shape[-1] ** -0.5)
        ahead = torch.ones(end - start, end - start, dtype=torch.bool).triu(1)
        weights = scores.masked_fill(ahead, float("-inf")).softmax(-1)
        made.append(torch.einsum("hqk,khd->qhd", weights, v))
    return torch.cat(made)
