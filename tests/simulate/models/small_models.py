"""Models of a few thousand weights in f16, each with what a chip has to be able to do."""

import torch
from torch import nn


class SmallCnn(nn.Module):
    """Convolutions plain, strided and depthwise, batch norm, a skip, pooling, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.pointwise = nn.Conv2d(16, 16, 1)
        self.down = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.classifier = nn.Linear(32, 10)
        # What training would leave in place of 0 and 1.
        self.norm.running_mean = torch.randn(16) * 0.2
        self.norm.running_var = torch.rand(16) + 0.5

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.stem(image)))
        x = x + self.pointwise(torch.relu(self.depthwise(x)))
        x = nn.functional.max_pool2d(x, 2)
        x = torch.relu(self.down(x))
        return self.classifier(x.mean(dim=(2, 3)))


def cnn() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    """Two images of 16x16 pixels to ten logits each."""
    return SmallCnn().half(), (torch.zeros(2, 3, 16, 16, dtype=torch.float16),)


def mlp() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    """Layer norm, two linear layers with GELU between them, softmax; four rows of 48."""
    module = nn.Sequential(
        nn.LayerNorm(48), nn.Linear(48, 96), nn.GELU(), nn.Linear(96, 24), nn.Softmax(dim=-1)
    )
    return module.half(), (torch.zeros(4, 48, dtype=torch.float16),)
