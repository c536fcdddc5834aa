"""Small models through torch.export and torch-mlir: text, weights by name, inputs and outputs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn
from torch_mlir import fx, ir
from torch_mlir.compiler_utils import OutputType
from torch_mlir.extras.fx_importer import FxImporterHooks
from transformers import LlamaConfig, LlamaForCausalLM

Array = NDArray[Any]
_ELEMENTS = {torch.float16: "f16", torch.float32: "f32", torch.int64: "i64"}


@dataclass(frozen=True)
class Exported:
    """A model as linalg text, and what PyTorch computes with it."""

    text: str
    weights: dict[str, Array]
    inputs: list[Array]
    outputs: list[Array]
    model: nn.Module


class _Named(FxImporterHooks):
    def __init__(self) -> None:
        self.weights: dict[str, Array] = {}

    def resolve_literal(self, gni: Any, literal: Any, info: Any) -> Any:
        if info is None or literal.dtype not in _ELEMENTS or literal.ndim == 0:
            return None
        name = f"m.{info.input_spec.target}"  # xDSL 0.74 reads no quoted handle such as "2.bias"
        self.weights[name] = literal.detach().numpy()
        shape = "x".join(map(str, literal.shape))
        text = f'dense_resource<"{name}"> : tensor<{shape}x{_ELEMENTS[literal.dtype]}>'
        value = ir.Attribute.parse(text, context=gni._c)
        kind = gni._cc.tensor_to_vtensor_type(literal)
        made = ir.Operation.create(
            "torch.vtensor.literal", results=[kind], attributes={"value": value}
        )
        return made.result


def export(model: nn.Module, inputs: Sequence[torch.Tensor]) -> Exported:
    torch.set_num_threads(1)
    model = model.eval()
    hooks = _Named()
    # Deprecations inside torch and torch-mlir are not ours to fix.
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outputs = model(*inputs)
        program = torch.export.export(model, tuple(inputs), strict=False)
        module = fx.export_and_import(
            program,
            output_type=OutputType.LINALG_ON_TENSORS,
            experimental_support_mutation=True,
            hooks=hooks,
        )
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    return Exported(
        module.operation.get_asm(print_generic_op_form=True),
        hooks.weights,
        [tensor.numpy() for tensor in inputs],
        [tensor.numpy() for tensor in outputs],
        model,
    )


class _SlotCache:
    def __init__(self, flat: Sequence[torch.Tensor]) -> None:
        self.flat = list(flat)
        self.is_compileable = False

    def update(self, k: Any, v: Any, layer: int, *_: Any, **__: Any) -> Any:
        if not self.flat:
            return k, v
        for offset, new in ((0, k), (1, v)):
            old = self.flat[2 * layer + offset]
            slots = old.shape[2]
            self.flat[2 * layer + offset] = torch.slice_scatter(
                old, new, dim=2, start=slots - 1, end=slots
            )
        return self.flat[2 * layer], self.flat[2 * layer + 1]

    def get_seq_length(self, *_: Any) -> int:
        return 0


class _Prefill(_SlotCache):
    def __init__(self) -> None:
        super().__init__([])
        self.made: list[torch.Tensor] = []

    def update(self, k: Any, v: Any, layer: int, *_: Any, **__: Any) -> Any:
        self.made += [k, v]
        return k, v


class _LlamaStep(nn.Module):
    def __init__(self, llama: nn.Module, decode: bool) -> None:
        super().__init__()
        self.llama = llama
        self.decode = decode

    def forward(self, ids: Any, positions: Any, mask: Any, *kv: Any) -> Any:
        cache = _SlotCache(kv) if self.decode else _Prefill()
        out = self.llama(
            input_ids=ids,
            position_ids=positions,
            attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
            return_dict=True,
        )
        made = cache.flat if isinstance(cache, _SlotCache) and self.decode else cache.made  # type: ignore[union-attr]
        return (out.logits, *made)


def llama(
    *,
    decode: bool,
    batch: int,
    kv_heads: int = 2,
    dtype: torch.dtype = torch.float32,
    layers: int = 2,
) -> Exported:
    """A Llama of 2 layers, hidden 64, 4 heads, 16 positions."""
    context, heads, size = 16, 4, 16
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=heads * size,
        intermediate_size=96,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        vocab_size=80,
        max_position_embeddings=64,
        attn_implementation="eager",
    )
    model = _LlamaStep(LlamaForCausalLM(config).to(dtype), decode)
    for name, parameter in model.named_parameters():
        if "norm" in name:
            nn.init.normal_(parameter, 1.0, 0.2)
    length = 1 if decode else context
    ids = torch.randint(0, 80, (batch, length))
    positions = torch.arange(context - length, context).repeat(batch, 1)
    mask = torch.full((context, context), -1e4).triu(1)[-length:].to(dtype)
    mask = mask.expand(batch, 1, length, context).contiguous()
    if decode:
        mask[0, :, :, :3] = -1e4
    kv = [
        torch.randn(batch, kv_heads, context, size, dtype=dtype)
        for _ in range(2 * layers if decode else 0)
    ]
    return export(model, (ids, positions, mask, *kv))


class _Attention(nn.Module):
    """Plain multi-head attention as SigLIP writes it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(width, width) for _ in range(4))
        self.heads = heads

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, n, c = x.shape
        q, k, v = (
            f(x).view(b, n, self.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v)
        )
        scores = torch.matmul(q, k.transpose(-1, -2)) * (c // self.heads) ** -0.5
        weights = nn.functional.softmax(scores, dim=-1, dtype=torch.float32).to(x.dtype)
        return self.o(torch.matmul(weights, v).transpose(1, 2).contiguous().reshape(b, n, c))


class _Vision(nn.Module):
    """Patches, position embedding, one block, post-norm: a small SigLIP tower."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 32, 4, stride=4)
        self.position = nn.Embedding(16, 32)
        self.register_buffer("ids", torch.arange(16).expand(1, -1))
        self.norm1, self.norm2, self.post = (nn.LayerNorm(32, eps=1e-6) for _ in range(3))
        self.attention = _Attention(32, 4)
        self.up, self.down = nn.Linear(32, 48), nn.Linear(48, 32)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = self.patch(pixels).flatten(2).transpose(1, 2) + self.position(self.ids)
        x = x + self.attention(self.norm1(x))
        hidden = nn.functional.gelu(self.up(self.norm2(x)), approximate="tanh")
        return self.post(x + self.down(hidden))


def vision() -> Exported:
    torch.manual_seed(1)
    return export(_Vision(), (torch.randn(2, 3, 16, 16),))


class _Cnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=4, bias=False)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn(self.conv1(x)))
        x = nn.functional.max_pool2d(x, 3, stride=2, padding=1)
        x = torch.relu(self.conv2(x))
        x = nn.functional.avg_pool2d(x, 2)
        return self.fc(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))


def cnn() -> Exported:
    torch.manual_seed(2)
    model = _Cnn()
    model.bn.running_mean = torch.randn(8)
    model.bn.running_var = torch.rand(8) + 0.5
    return export(model, (torch.randn(2, 3, 16, 16),))


def mlp() -> Exported:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, 4), nn.Softmax(dim=-1))
    return export(model, (torch.randn(3, 6),))
