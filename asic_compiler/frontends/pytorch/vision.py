"""The vision tower of a vision-language model of Hugging Face."""

from __future__ import annotations

from typing import Any

import torch


class VisionStep(torch.nn.Module):
    """Vision encoder and pixel-shuffle connector for full images (no padding).

    Pixels [batch, channels, height, width] become visual tokens
    [batch, tokens, width of the language model]. The position of each patch is what the model's
    own embedding computes for an image without padding; it is a constant of the program.
    """

    def __init__(self, model: torch.nn.Module, vision: Any, connector: Any) -> None:
        super().__init__()
        self.model = model
        self.parts = (vision, connector)
        self.register_buffer("position_ids", _patch_positions(vision), persistent=False)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Runs the tower."""
        vision, connector = self.parts
        embeddings = vision.embeddings
        patches = embeddings.patch_embedding(pixel_values).flatten(2).transpose(1, 2)
        hidden = patches + embeddings.position_embedding(self.position_ids)
        hidden = vision.encoder(inputs_embeds=hidden, attention_mask=None).last_hidden_state
        return connector(vision.post_layernorm(hidden))


def _patch_positions(vision: Any) -> torch.Tensor:
    """Rows of the position table for one full image, [1, patches], from the model's own code."""
    embeddings = vision.embeddings
    side = vision.config.image_size // vision.config.patch_size
    seen: list[torch.Tensor] = []
    hook = embeddings.position_embedding.register_forward_pre_hook(
        lambda _module, args: seen.append(args[0])  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    )
    size = vision.config.image_size
    dtype = embeddings.patch_embedding.weight.dtype
    with torch.no_grad():
        embeddings(
            pixel_values=torch.zeros(1, vision.config.num_channels, size, size, dtype=dtype),
            patch_attention_mask=torch.ones(1, side, side, dtype=torch.bool),
        )
    hook.remove()
    return seen[0].to(torch.int64)
