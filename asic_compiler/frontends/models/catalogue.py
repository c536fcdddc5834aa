"""Public dimensions of the named models, as Hugging Face configuration dictionaries.

Nothing is downloaded: what stands here is all that a program's shape depends on. The parameter
counts are checked against the built models by the tests.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from asic_compiler.diagnostics import UserError

Config = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A model known by name.

    Args:
        name: What the user types.
        config: A ``config.json`` of the Hugging Face layout, cut to what shapes the program.
        parameters: Weights of the whole model, all parts together.
        source: Where the dimensions are published, and what is uncertain about them.
    """

    name: str
    config: Config
    parameters: int
    source: str


def _smolvlm(text: Config, vision: Config, scale_factor: int) -> Config:
    return {
        "model_type": "smolvlm",
        "scale_factor": scale_factor,
        "tie_word_embeddings": False,
        "text_config": {
            "model_type": "llama",
            "head_dim": 64,
            "hidden_act": "silu",
            "rms_norm_eps": 1e-5,
            "tie_word_embeddings": False,
            **text,
        },
        "vision_config": {
            "model_type": "smolvlm_vision",
            "num_channels": 3,
            "hidden_act": "gelu_pytorch_tanh",
            "layer_norm_eps": 1e-6,
            **vision,
        },
    }


_SIGLIP_BASE_512: Config = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 512,
    "patch_size": 16,
}

_SIGLIP_SO400M_384: Config = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "image_size": 384,
    "patch_size": 14,
}

_MODELS = (
    NamedModel(
        name="llama-3.1-8b",
        config={
            "model_type": "llama",
            "vocab_size": 128256,
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "hidden_act": "silu",
            "max_position_embeddings": 131072,
            "rms_norm_eps": 1e-5,
            "tie_word_embeddings": False,
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 500000.0,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 8192,
            },
        },
        parameters=8_030_261_248,
        source=(
            "Grattafiori et al., The Llama 3 Herd of Models, 2024 (arXiv 2407.21783), table 3; "
            "RoPE scaling from the configuration published with Llama 3.1 8B"
        ),
    ),
    NamedModel(
        name="smolvlm-256m",
        config=_smolvlm(
            {
                "vocab_size": 49280,
                "hidden_size": 576,
                "intermediate_size": 1536,
                "num_hidden_layers": 30,
                "num_attention_heads": 9,
                "num_key_value_heads": 3,
                "max_position_embeddings": 8192,
                "rope_parameters": {"rope_type": "default", "rope_theta": 100000.0},
            },
            _SIGLIP_BASE_512,
            scale_factor=4,
        ),
        parameters=256_484_928,
        source=(
            "Marafioti et al., SmolVLM, 2025 (arXiv 2504.05299) and the configuration of "
            "SmolVLM-256M-Instruct; 64 visual tokens for a tile of 512x512 pixels; the head is "
            "not tied: the published checkpoint has 256,484,928 weights"
        ),
    ),
    NamedModel(
        name="smolvlm-500m",
        config=_smolvlm(
            {
                "vocab_size": 49280,
                "hidden_size": 960,
                "intermediate_size": 2560,
                "num_hidden_layers": 32,
                "num_attention_heads": 15,
                "num_key_value_heads": 5,
                "max_position_embeddings": 8192,
                "rope_parameters": {"rope_type": "default", "rope_theta": 100000.0},
            },
            _SIGLIP_BASE_512,
            scale_factor=4,
        ),
        parameters=507_482_304,
        source=(
            "Marafioti et al., SmolVLM, 2025 (arXiv 2504.05299) and the configuration of "
            "SmolVLM-500M-Instruct; untied head assumed as in SmolVLM-256M: the total is then the "
            "published 0.5 B"
        ),
    ),
    NamedModel(
        name="smolvlm-2.2b",
        config=_smolvlm(
            {
                "vocab_size": 49155,
                "hidden_size": 2048,
                "intermediate_size": 8192,
                "num_hidden_layers": 24,
                "num_attention_heads": 32,
                "num_key_value_heads": 32,
                "max_position_embeddings": 16384,
                "rope_parameters": {"rope_type": "default", "rope_theta": 273768.0},
            },
            _SIGLIP_SO400M_384,
            scale_factor=3,
        ),
        parameters=2_246_272_880,
        source=(
            "Marafioti et al., SmolVLM, 2025 (arXiv 2504.05299) and the configuration of "
            "SmolVLM-Instruct (vocabulary 49,155, RoPE base 273,768, untied head; 81 visual tokens "
            "for a tile of 384x384 pixels); the later SmolVLM2-2.2B-Instruct may differ in its "
            "vocabulary: give its config.json for that one"
        ),
    ),
)

NAMED_MODELS: dict[str, NamedModel] = {model.name: model for model in _MODELS}


def named_model(name: str) -> NamedModel:
    """Looks a model up.

    Raises:
        UserError: No such name; the notes say what comes closest and what else may be given.
    """
    if name in NAMED_MODELS:
        return NAMED_MODELS[name]
    # Another version or size is another model: only a slip of the keyboard is guessed at.
    alike = [known for known in NAMED_MODELS if _digits(known) == _digits(name)]
    close = difflib.get_close_matches(name.lower(), alike, n=2, cutoff=0.8)
    notes = [f"did you mean {' or '.join(close)}?"] if close else []
    notes.append(f"named models: {', '.join(NAMED_MODELS)}")
    notes.append(
        "or give package.module:factory, a Hugging Face config.json, or a local checkpoint folder"
    )
    raise UserError(f"unknown model '{name}', and no such file or folder", notes=notes)


def _digits(name: str) -> str:
    return "".join(character for character in name if character.isdigit())
