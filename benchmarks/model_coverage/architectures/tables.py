"""Recommendation, graphs, and transformers of PyTorch's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class Dlrm(nn.Module):
    """Bags of embeddings, products of all pairs, two towers (Naumov et al., 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.bags = nn.ModuleList(nn.EmbeddingBag(100, 16, mode="sum") for _ in range(3))
        self.bottom = nn.Sequential(nn.Linear(13, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU())
        self.top = nn.Sequential(nn.Linear(22, 32), nn.ReLU(), nn.Linear(32, 1), nn.Sigmoid())
        rows, columns = torch.tril_indices(4, 4, -1)
        self.rows: torch.Tensor
        self.columns: torch.Tensor
        self.register_buffer("rows", rows)
        self.register_buffer("columns", columns)

    def forward(self, dense: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """The model, once."""
        dense = self.bottom(dense)
        bags = [bag(ids[:, i]) for i, bag in enumerate(self.bags)]
        both = torch.stack([dense, *bags], 1)
        pairs = (both @ both.transpose(1, 2))[:, self.rows, self.columns]
        return self.top(torch.cat([dense, pairs], 1))


class GraphConvolution(nn.Module):
    """Two layers that add up what edges bring; edges are arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(16, 32), nn.Linear(32, 4)

    def forward(
        self, nodes: torch.Tensor, source: torch.Tensor, target: torch.Tensor
    ) -> torch.Tensor:
        """The model, once."""
        for layer in (self.first, self.second):
            sent = layer(nodes)
            nodes = torch.relu(torch.zeros_like(sent).index_add(0, target, sent[source]))
        return nodes


class DenseExperts(nn.Module):
    """The best two of four experts by comparison: every one is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(64, 4, bias=False)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(64, 128), nn.SiLU(), nn.Linear(128, 64)) for _ in range(4)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The model, once."""
        gates = torch.softmax(self.gate(x), -1)
        first = gates.amax(-1, keepdim=True)
        second = torch.where(gates >= first, 0.0, gates).amax(-1, keepdim=True)
        kept = torch.where(gates >= second, gates, 0.0)
        kept = kept / kept.sum(-1, keepdim=True)
        outputs = [kept[:, i : i + 1] * expert(x) for i, expert in enumerate(self.experts)]
        return torch.stack(outputs).sum(0)


def _edges() -> torch.Tensor:
    return torch.arange(60) * 7 % 20


FACTORIES: dict[str, Callable[[], Any]] = {
    "dlrm": lambda: (Dlrm(), (torch.zeros(2, 13), torch.arange(24).reshape(2, 3, 4))),
    "graph_convolution": lambda: (
        GraphConvolution(),
        (torch.zeros(20, 16), _edges(), _edges().flip(0)),
    ),
    "dense_experts": lambda: (DenseExperts(), (torch.zeros(4, 64),)),
    "encoder_layer": lambda: (
        nn.TransformerEncoderLayer(64, 4, 128, batch_first=True),
        (torch.zeros(1, 16, 64),),
    ),
    "transformer": lambda: (
        nn.Transformer(64, 4, 1, 1, 128, batch_first=True),
        (torch.zeros(1, 16, 64), torch.zeros(1, 8, 64)),
    ),
}
