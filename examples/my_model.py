"""A model of one's own for ``asic-import``.

cd examples
asic-import my_model:tiny_cnn --report -o cnn.mlir
"""

import torch
from torch import nn


class TinyCnn(nn.Module):
    """A small image classifier: two convolutions, a pooling and a linear layer."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, kernel_size=3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, kernel_size=3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(32, classes)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Images [batch, 3, height, width] to logits [batch, classes]."""
        return self.classifier(self.features(image).mean(dim=(2, 3)))


def tiny_cnn() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    """What ``asic-import`` calls: the module, and inputs of the shapes it shall be compiled for."""
    return TinyCnn().half(), (torch.zeros(1, 3, 32, 32, dtype=torch.float16),)
