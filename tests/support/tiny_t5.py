"""A T5 of two and three blocks with random weights and the embedded model's words, as a folder."""

from pathlib import Path
from typing import Any

from support.places import MICRO_MODEL

PAD, EOS = 0, 1


def t5_tokenizer() -> Any:
    """The embedded tokenizer as T5's: no BOS, an EOS behind every text, padding."""
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(MICRO_MODEL)
    backend = tokenizer.backend_tokenizer
    backend.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", EOS)])
    tokenizer.add_special_tokens({"pad_token": "<s>"})
    tokenizer.bos_token = None
    return tokenizer


def write_t5(folder: Path, gated: bool = False, decoder: int = 3) -> Path:
    """gated: as T5 1.1 and FLAN-T5 are: a gate in the feed-forward part, a head of its own.
    decoder: its blocks; transformers generates with a cache only where they are as many as the
    encoder's two."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    tokenizer = t5_tokenizer()
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=48,
        d_kv=12,
        d_ff=96,
        num_layers=2,
        num_decoder_layers=decoder,
        num_heads=4,
        relative_attention_num_buckets=8,
        relative_attention_max_distance=20,
        dropout_rate=0.0,
        initializer_factor=0.5,
        feed_forward_proj="gated-gelu" if gated else "relu",
        tie_word_embeddings=not gated,
        decoder_start_token_id=PAD,
        pad_token_id=PAD,
        eos_token_id=EOS,
    )
    model = T5ForConditionalGeneration(config)
    if gated:
        model.lm_head.weight = torch.nn.Parameter(0.1 * torch.randn_like(model.shared.weight))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
