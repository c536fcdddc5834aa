"""Language models of Hugging Face: ids alone are given, as a newcomer would."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import transformers
from torch import nn

VOCABULARY = 256
_SIZES = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
_GROUPED = {**_SIZES, "num_key_value_heads": 2}
_OPT = {
    "hidden_size": 64,
    "ffn_dim": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "word_embed_proj_dim": 64,
}
_GPT = {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 64}
_T5 = {"d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4}
_BART = {
    **{"d_model": 64, "encoder_layers": 2, "decoder_layers": 2, "max_position_embeddings": 64},
    **{"encoder_attention_heads": 4, "decoder_attention_heads": 4},
    **{"encoder_ffn_dim": 128, "decoder_ffn_dim": 128, "decoder_start_token_id": 2},
}
_MOE = {
    **_GROUPED,
    **{"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32},
    "num_local_experts": 4,
}


def ids(batch: int = 1, tokens: int = 16) -> torch.Tensor:
    """Token ids [batch, tokens]."""
    return torch.randint(3, VOCABULARY, (batch, tokens), generator=torch.Generator().manual_seed(1))


def configured(name: str, **fields: Any) -> Any:
    """A configuration of transformers; special tokens lie within the vocabulary."""
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    made = getattr(transformers, name)(vocab_size=VOCABULARY, **tokens, **fields)
    made._attn_implementation = "eager"
    return made


class LastLogits(nn.Module):
    """The logits of the last token, without a cache."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """The model, once."""
        return self.model(input_ids=ids, use_cache=False).logits[:, -1]


class EncoderDecoder(nn.Module):
    """Both sides in one step."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        """The model, once."""
        return self.model(input_ids=ids, decoder_input_ids=before, use_cache=False).logits


def _causal(config: str, model: str, **fields: Any) -> tuple[nn.Module, tuple[torch.Tensor]]:
    return LastLogits(getattr(transformers, model)(configured(config, **fields))), (ids(),)


def _as_it_is(config: str, model: str, **fields: Any) -> tuple[nn.Module, tuple[torch.Tensor]]:
    return getattr(transformers, model)(configured(config, **fields)), (ids(),)


def _both_sides(config: str, model: str, **fields: Any) -> tuple[nn.Module, Any]:
    made = getattr(transformers, model)(configured(config, **fields))
    return EncoderDecoder(made), (ids(), ids(1, 4))


_HEADS = {"head_dim": 16, **_GROUPED}
_WINDOW = {"sliding_window": 8, **_HEADS}

FACTORIES: dict[str, Callable[[], Any]] = {
    "gpt2": partial(_causal, "GPT2Config", "GPT2LMHeadModel", **_GPT),
    "gpt2_as_it_is": partial(_as_it_is, "GPT2Config", "GPT2LMHeadModel", **_GPT),
    "llama_as_it_is": partial(_as_it_is, "LlamaConfig", "LlamaForCausalLM", **_GROUPED),
    "opt": partial(_causal, "OPTConfig", "OPTForCausalLM", **_OPT),
    "gpt_neo": partial(
        _causal,
        "GPTNeoConfig",
        "GPTNeoForCausalLM",
        hidden_size=64,
        num_layers=2,
        num_heads=4,
        attention_types=[[["global", "local"], 1]],
        window_size=8,
        max_position_embeddings=64,
    ),
    "gptj": partial(_causal, "GPTJConfig", "GPTJForCausalLM", rotary_dim=8, **_GPT),
    "codegen": partial(_causal, "CodeGenConfig", "CodeGenForCausalLM", rotary_dim=8, **_GPT),
    "gpt_bigcode": partial(_causal, "GPTBigCodeConfig", "GPTBigCodeForCausalLM", **_GPT),
    "gpt_neox": partial(_causal, "GPTNeoXConfig", "GPTNeoXForCausalLM", **_SIZES),
    "falcon": partial(
        _causal,
        "FalconConfig",
        "FalconForCausalLM",
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
    ),
    "bloom": partial(
        _causal, "BloomConfig", "BloomForCausalLM", hidden_size=64, n_layer=2, n_head=4
    ),
    "mpt": partial(
        _causal, "MptConfig", "MptForCausalLM", d_model=64, n_heads=4, n_layers=2, max_seq_len=64
    ),
    "phi": partial(_causal, "PhiConfig", "PhiForCausalLM", **_GROUPED),
    "phi3": partial(
        _causal, "Phi3Config", "Phi3ForCausalLM", original_max_position_embeddings=64, **_GROUPED
    ),
    "llama": partial(_causal, "LlamaConfig", "LlamaForCausalLM", **_GROUPED),
    "mistral": partial(_causal, "MistralConfig", "MistralForCausalLM", **_WINDOW),
    "qwen2": partial(_causal, "Qwen2Config", "Qwen2ForCausalLM", **_GROUPED),
    "qwen3": partial(_causal, "Qwen3Config", "Qwen3ForCausalLM", **_HEADS),
    "gemma": partial(_causal, "GemmaConfig", "GemmaForCausalLM", **_HEADS),
    "gemma2": partial(_causal, "Gemma2Config", "Gemma2ForCausalLM", **_WINDOW),
    "gemma3": partial(_causal, "Gemma3TextConfig", "Gemma3ForCausalLM", **_WINDOW),
    "granite": partial(_causal, "GraniteConfig", "GraniteForCausalLM", **_GROUPED),
    "olmo": partial(_causal, "OlmoConfig", "OlmoForCausalLM", **_GROUPED),
    "olmo2": partial(_causal, "Olmo2Config", "Olmo2ForCausalLM", **_GROUPED),
    "smollm3": partial(_causal, "SmolLM3Config", "SmolLM3ForCausalLM", **_GROUPED),
    "glm4": partial(_causal, "Glm4Config", "Glm4ForCausalLM", **_HEADS),
    "cohere": partial(_causal, "CohereConfig", "CohereForCausalLM", **_GROUPED),
    "cohere2": partial(_causal, "Cohere2Config", "Cohere2ForCausalLM", **_WINDOW),
    "stablelm": partial(_causal, "StableLmConfig", "StableLmForCausalLM", **_GROUPED),
    "starcoder2": partial(_causal, "Starcoder2Config", "Starcoder2ForCausalLM", **_GROUPED),
    "nemotron": partial(_causal, "NemotronConfig", "NemotronForCausalLM", **_HEADS),
    "mamba": partial(
        _causal,
        "MambaConfig",
        "MambaForCausalLM",
        hidden_size=64,
        state_size=8,
        num_hidden_layers=2,
    ),
    "mamba2": partial(
        _causal,
        "Mamba2Config",
        "Mamba2ForCausalLM",
        hidden_size=64,
        state_size=8,
        num_heads=8,
        num_hidden_layers=2,
        head_dim=16,
        n_groups=1,
        chunk_size=8,
        expand=2,
    ),
    "mixtral": partial(_causal, "MixtralConfig", "MixtralForCausalLM", **_MOE),
    "qwen3_moe": partial(_causal, "Qwen3MoeConfig", "Qwen3MoeForCausalLM", **_MOE),
    "gpt_oss": partial(_causal, "GptOssConfig", "GptOssForCausalLM", **{**_MOE, **_WINDOW}),
    "bert_as_it_is": partial(_as_it_is, "BertConfig", "BertForSequenceClassification", **_SIZES),
    "distilbert": partial(
        _as_it_is,
        "DistilBertConfig",
        "DistilBertForSequenceClassification",
        dim=64,
        hidden_dim=128,
        n_layers=2,
        n_heads=4,
        max_position_embeddings=64,
    ),
    "roberta": partial(_as_it_is, "RobertaConfig", "RobertaForSequenceClassification", **_SIZES),
    "electra": partial(
        _as_it_is, "ElectraConfig", "ElectraForSequenceClassification", embedding_size=32, **_SIZES
    ),
    "albert": partial(
        _as_it_is, "AlbertConfig", "AlbertForSequenceClassification", embedding_size=32, **_SIZES
    ),
    "mpnet": partial(_as_it_is, "MPNetConfig", "MPNetForSequenceClassification", **_SIZES),
    "deberta_v2": partial(
        _as_it_is,
        "DebertaV2Config",
        "DebertaV2ForSequenceClassification",
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
        position_buckets=8,
        **_SIZES,
    ),
    "modernbert": partial(
        _as_it_is,
        "ModernBertConfig",
        "ModernBertForSequenceClassification",
        cls_token_id=1,
        sep_token_id=2,
        local_attention=8,
        **_SIZES,
    ),
    "t5": partial(
        _both_sides, "T5Config", "T5ForConditionalGeneration", decoder_start_token_id=0, **_T5
    ),
    "bart": partial(_both_sides, "BartConfig", "BartForConditionalGeneration", **_BART),
    "marian": partial(_both_sides, "MarianConfig", "MarianMTModel", **_BART),
}
