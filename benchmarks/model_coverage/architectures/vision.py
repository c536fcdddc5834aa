"""Models of images: towers of Hugging Face, and networks written here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
import transformers
from torch import nn

_VIT = {
    **{"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2},
    **{"num_attention_heads": 4, "image_size": 32, "patch_size": 8},
}


def image(size: int = 32, channels: int = 3, batch: int = 1) -> torch.Tensor:
    """An image of zeros: asic-import draws numbers for it."""
    return torch.zeros(batch, channels, size, size)


def _tower(config: str, model: str, size: int = 32, **fields: Any) -> tuple[nn.Module, Any]:
    made = getattr(transformers, config)(**fields)
    made._attn_implementation = "eager"
    return getattr(transformers, model)(made), (image(size),)


class Clip(nn.Module):
    """Text and image compared."""

    def __init__(self) -> None:
        super().__init__()
        text = {
            **{"vocab_size": 256, "hidden_size": 64, "intermediate_size": 128, "eos_token_id": 2},
            **{"num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 16},
        }
        config = transformers.CLIPConfig(text_config=text, vision_config=_VIT, projection_dim=32)
        self.model = transformers.CLIPModel(config)

    def forward(self, ids: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
        """The model, once."""
        return self.model(input_ids=ids, pixel_values=pixels).logits_per_image


def _block(inside: int, out: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inside, out, 3, padding=1), nn.GroupNorm(4, out), nn.SiLU(),
        nn.Conv2d(out, out, 3, padding=1), nn.GroupNorm(4, out), nn.SiLU(),
    )  # fmt: skip


class UNet(nn.Module):
    """Down, up, and a bridge; upsampled in a given way, or by transposed convolutions."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.first, self.second = _block(3, 16), _block(16, 32)
        self.third, self.last = _block(64, 16), nn.Conv2d(32, 3, 1)
        self.down = nn.AvgPool2d(2)
        self.middle = _block(32, 32)
        self.mode = mode
        if mode == "transposed":
            self.up1, self.up2 = (nn.ConvTranspose2d(c, c, 2, 2) for c in (32, 16))
        else:
            self.up1 = self.up2 = nn.Upsample(scale_factor=2, mode=mode)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The model, once."""
        first = self.first(x)
        second = self.second(self.down(first))
        middle = self.up1(self.middle(self.down(second)))
        return self.last(
            torch.cat([self.up2(self.third(torch.cat([middle, second], 1))), first], 1)
        )


class DiffusionUNet(nn.Module):
    """A step of diffusion: time embedding, GroupNorm, attention at the lowest resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.time = nn.Sequential(nn.Linear(32, 64), nn.SiLU(), nn.Linear(64, 32))
        self.enter, self.down = nn.Conv2d(4, 32, 3, padding=1), nn.Conv2d(32, 32, 3, 2, 1)
        self.norm1, self.norm2 = nn.GroupNorm(8, 32), nn.GroupNorm(8, 32)
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
        self.leave = nn.Conv2d(64, 4, 3, padding=1)

    def forward(self, x: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        """The model, once."""
        angles = step[:, None] * torch.exp(torch.arange(16) * -0.5)[None]
        time = self.time(torch.cat([angles.sin(), angles.cos()], -1).to(x.dtype))
        wide = F.silu(self.norm1(self.enter(x)) + time[:, :, None, None])
        low = F.silu(self.norm2(self.down(wide)))
        tokens = low.flatten(2).transpose(1, 2)
        tokens = tokens + self.attention(tokens, tokens, tokens, need_weights=False)[0]
        low = tokens.transpose(1, 2).reshape(low.shape)
        return self.leave(torch.cat([F.interpolate(low, scale_factor=2.0), wide], 1))


class Yolo(nn.Module):
    """Spatial pyramid of poolings, upsampling, two heads."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = self._conv(3, 16), self._conv(16, 32), self._conv(32, 32)
        self.d = self._conv(128, 32, 1, 1)
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.head1, self.head2 = nn.Conv2d(64, 18, 1), nn.Conv2d(32, 18, 1)

    def _conv(self, inside: int, out: int, kernel: int = 3, stride: int = 2) -> nn.Module:
        conv = nn.Conv2d(inside, out, kernel, stride, kernel // 2, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(out), nn.SiLU())

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The model, once."""
        b = self.b(self.a(x))
        found = [self.c(b)]
        for _ in range(3):
            found.append(self.pool(found[-1]))
        d = self.d(torch.cat(found, 1))
        return self.head1(torch.cat([F.interpolate(d, scale_factor=2), b], 1)), self.head2(d)


def _autoencoder() -> tuple[nn.Module, Any]:
    layers = (
        *(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.ConvTranspose2d(16, 8, 4, 2, 1), nn.ReLU()),
        *(nn.Conv2d(8, 3, 3, padding=1), nn.Tanh()),
    )
    return nn.Sequential(*layers), (image(16),)


def _generator() -> tuple[nn.Module, Any]:
    """DCGAN's: transposed convolutions from a vector to an image."""
    layers = (
        *(nn.ConvTranspose2d(32, 32, 4, 1, 0, bias=False), nn.BatchNorm2d(32), nn.ReLU()),
        *(nn.ConvTranspose2d(32, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.ConvTranspose2d(16, 3, 3, 2, 1, output_padding=1), nn.Tanh()),
    )
    return nn.Sequential(*layers), (torch.zeros(1, 32, 1, 1),)


def _superresolution() -> tuple[nn.Module, Any]:
    layers = (nn.Conv2d(3, 16, 3, padding=1), nn.PReLU(), nn.Conv2d(16, 12, 3, padding=1))
    return nn.Sequential(*layers, nn.PixelShuffle(2)), (image(16),)


def _depthwise() -> tuple[nn.Module, Any]:
    """MobileNet's block: expand, depthwise, project."""
    layers = (
        *(nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU6()),
        *(nn.Conv2d(16, 16, 3, 1, 1, groups=16), nn.BatchNorm2d(16), nn.Hardswish()),
        *(nn.Conv2d(16, 32, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)),
    )
    return nn.Sequential(*layers), (image(16),)


def _unet(mode: str) -> tuple[nn.Module, Any]:
    return UNet(mode), (image(16),)


_SWIN = {"image_size": 32, "patch_size": 4, "embed_dim": 16, "depths": [2, 2], "num_heads": [2, 4]}
_SEGFORMER = {
    **{"num_encoder_blocks": 2, "depths": [1, 1], "sr_ratios": [2, 1], "hidden_sizes": [16, 32]},
    **{"num_attention_heads": [1, 2], "patch_sizes": [7, 3], "strides": [4, 2]},
    **{"mlp_ratios": [2, 2], "decoder_hidden_size": 32},
}

FACTORIES: dict[str, Callable[[], Any]] = {
    "vit_as_it_is": partial(_tower, "ViTConfig", "ViTForImageClassification", **_VIT),
    "deit": partial(_tower, "DeiTConfig", "DeiTForImageClassification", **_VIT),
    "beit": partial(
        _tower, "BeitConfig", "BeitForImageClassification", use_relative_position_bias=True, **_VIT
    ),
    "clip_vision": partial(_tower, "CLIPVisionConfig", "CLIPVisionModel", **_VIT),
    "siglip_vision": partial(_tower, "SiglipVisionConfig", "SiglipVisionModel", **_VIT),
    "dinov2": partial(_tower, "Dinov2Config", "Dinov2ForImageClassification", **_VIT),
    "swin": partial(
        _tower, "SwinConfig", "SwinForImageClassification", window_size=4, **_SWIN
    ),
    "swinv2": partial(
        _tower, "Swinv2Config", "Swinv2ForImageClassification", window_size=4, **_SWIN
    ),
    "convnext": partial(
        _tower, "ConvNextConfig", "ConvNextForImageClassification", hidden_sizes=[16, 32],
        depths=[1, 1], num_stages=2,
    ),
    "convnextv2": partial(
        _tower, "ConvNextV2Config", "ConvNextV2ForImageClassification", hidden_sizes=[16, 32],
        depths=[1, 1], num_stages=2,
    ),
    "resnet": partial(
        _tower, "ResNetConfig", "ResNetForImageClassification", embedding_size=16,
        hidden_sizes=[32, 64], depths=[1, 1],
    ),
    "regnet": partial(
        _tower, "RegNetConfig", "RegNetForImageClassification", embedding_size=16,
        hidden_sizes=[32, 64], depths=[1, 1], groups_width=16,
    ),
    "mobilenet_v2": partial(
        _tower, "MobileNetV2Config", "MobileNetV2ForImageClassification", image_size=32,
        depth_multiplier=0.25,
    ),
    "segformer": partial(
        _tower, "SegformerConfig", "SegformerForSemanticSegmentation", **_SEGFORMER
    ),
    "poolformer": partial(
        _tower, "PoolFormerConfig", "PoolFormerForImageClassification", depths=[1, 1],
        hidden_sizes=[16, 32], patch_sizes=[7, 3], strides=[4, 2], padding=[2, 1],
        num_encoder_blocks=2,
    ),
    "yolos": partial(
        _tower, "YolosConfig", "YolosForObjectDetection",
        **{**_VIT, "image_size": [32, 32]}, num_detection_tokens=4,
    ),
    "clip": lambda: (Clip(), (torch.arange(16)[None] % 16, image())),
    "unet_nearest": partial(_unet, "nearest"),
    "unet_bilinear": partial(_unet, "bilinear"),
    "unet_bicubic": partial(_unet, "bicubic"),
    "unet_transposed": partial(_unet, "transposed"),
    "diffusion_unet": lambda: (DiffusionUNet(), (image(16, 4), torch.tensor([3.0]))),
    "yolo": lambda: (Yolo(), (image(),)),
    "autoencoder": _autoencoder,
    "dcgan_generator": _generator,
    "superresolution": _superresolution,
    "mobilenet_block": _depthwise,
}  # fmt: skip
