"""Tensors of a GGUF file under the names, and in the layout, of the published checkpoint."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.gguf.configuration import configuration
from asic_compiler.frontends.gguf.file import GgufFile, read
from asic_compiler.frontends.models.catalogue import Config

_WHOLE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_OF_LAYER = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_LAYER = re.compile(r"blk\.(0|[1-9]\d{0,5})\.(\w+)\.(weight|bias)", re.ASCII)
_COMPUTED = ("rope_freqs.weight",)
_PLAIN = ("F32", "F16", "BF16")


class GgufCheckpoint:
    """A GGUF file as a checkpoint: published names to shapes and values.

    Args:
        path: The file.

    Raises:
        UserError: The file is not whole, or holds a tensor that no supported model has.
    """

    def __init__(self, path: Path) -> None:
        self.file: GgufFile = read(path)
        self._stored = {
            published_name(self.file, name): name
            for name in self.file.tensors
            if name not in _COMPUTED
        }
        self.config: Config = configuration(self.file, lambda: self._dequantised(_COMPUTED[0]))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes by published name."""
        return {name: self.file.tensors[own].shape for name, own in self._stored.items()}

    def note(self) -> str:
        """What was done to the numbers, in one line."""
        types = Counter(tensor.type_name for tensor in self.file.tensors.values())
        told = ", ".join(f"{count} {name}" for name, count in sorted(types.items()))
        if all(name in _PLAIN for name in types):
            return f"'{self.file.path}': tensors as stored ({told})"
        return (
            f"'{self.file.path}': quantised tensors are de-quantised to the element type of the "
            f"program ({told})"
        )

    def tensor(self, name: str) -> NDArray[np.float32]:
        """A tensor by its published name, de-quantised, in the published order of rows.

        Raises:
            UserError: Its type cannot be de-quantised.
        """
        stored = self._stored[name]
        values = self._dequantised(stored)
        if self.config["model_type"] != "llama":
            return values
        if ".attn_q." in stored:
            return _unpermuted(values, self.config["num_attention_heads"])
        if ".attn_k." in stored:
            heads = self.config.get("num_key_value_heads", self.config["num_attention_heads"])
            return _unpermuted(values, heads)
        return values

    def _dequantised(self, stored: str) -> NDArray[np.float32]:
        from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
        from gguf.quants import dequantize

        tensor = self.file.tensors[stored]
        type_ = GGMLQuantizationType[tensor.type_name]
        block, block_bytes = GGML_QUANT_SIZES[type_]
        rows, columns = tensor.shape[:-1], tensor.shape[-1] if tensor.shape else 1
        raw = self.file.raw(stored).reshape(*rows, columns // block * block_bytes)
        try:
            values = dequantize(raw, type_)
        except NotImplementedError:
            notes = ["llama-quantize --allow-requantize makes another type of it, F16 for one"]
            message = f"'{self.file.path}': '{stored}' is of type {type_.name}, which is not read"
            raise UserError(message, notes=notes) from None
        return np.asarray(values, np.float32).reshape(tensor.shape)


def published_name(file: GgufFile, stored: str) -> str:
    """The name in the Hugging Face checkpoint of a tensor of a GGUF file.

    Raises:
        UserError: No supported model has such a tensor.
    """
    layer = _LAYER.fullmatch(stored)
    if layer is not None and layer[2] in _OF_LAYER:
        return f"model.layers.{int(layer[1])}.{_OF_LAYER[layer[2]]}.{layer[3]}"
    stem, _, kind = stored.rpartition(".")
    if stem in _WHOLE and kind == "weight":
        return f"{_WHOLE[stem]}.{kind}"
    notes = ["what is not known may change the model, so it is not ignored"]
    raise UserError(f"'{file.path}': the tensor '{stored}' is not known", notes=notes)


def _unpermuted(values: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows of queries or keys as Hugging Face orders them.

    llama.cpp rotates neighbours, Hugging Face the halves of a head: its converter interleaves the
    rows of both halves (``LlamaModel.permute`` of convert_hf_to_gguf.py); this undoes it.
    """
    rows = values.shape[0]
    if heads < 1 or rows % (2 * heads):
        return values  # the check of shapes refuses it
    pairs = values.reshape(heads, rows // heads // 2, 2, *values.shape[1:])
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(values.shape)
