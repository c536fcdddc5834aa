"""Configurations small enough to be built, run and imported in a second."""

TINY_TEXT = {
    "vocab_size": 96,
    "hidden_size": 64,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
TINY_LLAMA = {"model_type": "llama", **TINY_TEXT}
TINY_SMOLVLM = {
    "model_type": "smolvlm",
    "scale_factor": 2,
    "tie_word_embeddings": False,
    "text_config": TINY_LLAMA,
    "vision_config": {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 64,
        "patch_size": 16,
    },
}
