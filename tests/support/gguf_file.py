"""A tiny Llama as a GGUF file, as llama.cpp writes one, and what its 4-bit blocks mean."""

from pathlib import Path

import gguf
import numpy as np
from tokenizers.pre_tokenizers import ByteLevel

HIDDEN, HEADS, KV_HEADS, FEED, BLOCKS = 64, 4, 2, 96, 2
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TOKENS = [*SPECIAL, *sorted(ByteLevel.alphabet()), "he"]
_BLOCK_VALUES, _BLOCK_BYTES = 32, 20  # of Q4_1: scale and offset in fp16, then 32 values of 4 bits


def write_gguf(path: Path, architecture: str = "llama") -> dict[str, np.ndarray]:
    """Write the file; returns the weights that it holds, under the names and in the order that
    transformers gives them."""
    writer = gguf.GGUFWriter(path, architecture)
    _describe(writer)
    _add_tokenizer(writer)
    expected = {}
    source = np.random.default_rng(0)
    for name, (there, shape, heads) in _shapes().items():
        values = source.normal(0, 0.2, shape).astype(np.float32)
        if len(shape) == 1:
            writer.add_tensor(name, values)
            expected[there] = values
            continue
        stored = _interleaved(values, heads) if heads else values
        blocks = gguf.quants.quantize(stored, gguf.GGMLQuantizationType.Q4_1)
        writer.add_tensor(name, blocks, raw_dtype=gguf.GGMLQuantizationType.Q4_1)
        read = _values(blocks).reshape(shape)
        expected[there] = _in_halves(read, heads) if heads else read
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return expected


def _describe(writer: gguf.GGUFWriter) -> None:
    writer.add_context_length(512)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(BLOCKS)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(TOKENS))


def _add_tokenizer(writer: gguf.GGUFWriter) -> None:
    kinds = [gguf.TokenType.CONTROL] * len(SPECIAL)
    kinds += [gguf.TokenType.NORMAL] * (len(TOKENS) - len(SPECIAL))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(TOKENS)
    writer.add_token_types(kinds)
    writer.add_token_merges(["h e"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template("{% for m in messages %}{{ m['content'] }}{% endfor %}")


def _shapes() -> dict[str, tuple[str, tuple[int, ...], int]]:
    """Name in the file -> (name in transformers, shape, heads whose rows the file interleaves)."""
    small = HIDDEN * KV_HEADS // HEADS
    found: dict[str, tuple[str, tuple[int, ...], int]] = {
        "token_embd.weight": ("model.embed_tokens.weight", (len(TOKENS), HIDDEN), 0),
        "output_norm.weight": ("model.norm.weight", (HIDDEN,), 0),
    }
    for block in range(BLOCKS):
        own, there = f"blk.{block}", f"model.layers.{block}"
        attention, feed = f"{there}.self_attn", f"{there}.mlp"
        found |= {
            f"{own}.attn_q.weight": (f"{attention}.q_proj.weight", (HIDDEN, HIDDEN), HEADS),
            f"{own}.attn_k.weight": (f"{attention}.k_proj.weight", (small, HIDDEN), KV_HEADS),
            f"{own}.attn_v.weight": (f"{attention}.v_proj.weight", (small, HIDDEN), 0),
            f"{own}.attn_output.weight": (f"{attention}.o_proj.weight", (HIDDEN, HIDDEN), 0),
            f"{own}.ffn_gate.weight": (f"{feed}.gate_proj.weight", (FEED, HIDDEN), 0),
            f"{own}.ffn_up.weight": (f"{feed}.up_proj.weight", (FEED, HIDDEN), 0),
            f"{own}.ffn_down.weight": (f"{feed}.down_proj.weight", (HIDDEN, FEED), 0),
            f"{own}.attn_norm.weight": (f"{there}.input_layernorm.weight", (HIDDEN,), 0),
            f"{own}.ffn_norm.weight": (f"{there}.post_attention_layernorm.weight", (HIDDEN,), 0),
        }
    return found


def _interleaved(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of every head as llama.cpp rotates them: neighbours are a pair."""
    halves = weight.reshape(heads, 2, -1, weight.shape[1])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(weight.shape))


def _in_halves(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of every head as transformers rotates them: a row and the one half a head below."""
    pairs = weight.reshape(heads, -1, 2, weight.shape[1])
    return pairs.swapaxes(1, 2).reshape(weight.shape)


def _values(blocks: np.ndarray) -> np.ndarray:
    """The values of Q4_1 by its description: scale x nibble + offset, low nibbles first."""
    rows = blocks.reshape(-1, _BLOCK_BYTES)
    scale, offset = (rows[:, at : at + 2].copy().view(np.float16) for at in (0, 2))
    nibbles = np.concatenate([rows[:, 4:] & 15, rows[:, 4:] >> 4], axis=1)
    assert nibbles.shape[1] == _BLOCK_VALUES
    return nibbles.astype(np.float32) * scale.astype(np.float32) + offset.astype(np.float32)
