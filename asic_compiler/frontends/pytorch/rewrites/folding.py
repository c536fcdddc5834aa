"""Arithmetic on nothing but constants, done once by PyTorch itself.

Masks and positions are made by operators that a chip has not (running sums, gathers at computed
places), of numbers that are known. Scalar arithmetic on constants stays: it costs little, and its
results may be much larger than what they are made of.
"""

from __future__ import annotations

import operator
from typing import Any

import torch

from asic_compiler.frontends.pytorch.rewrites.editor import Editor

_aten: Any = torch.ops.aten
_KEPT = {
    *(_aten.cat.default, _aten.clone.default, _aten.constant_pad_nd.default),
    *(_aten.repeat.default, _aten._to_copy.default, _aten.reshape.default),
    *(_aten._unsafe_view.default, torch.ops.prims.convert_element_type.default),
    _aten._assert_tensor_metadata.default,
}
"""They move or convert elements."""


def fold(editor: Editor) -> None:
    """Puts values in the place of known operators that are more than scalar arithmetic.

    What only such an operator reads is not needed any more.
    """
    nodes = list(editor.graph.nodes)
    needed: set[Any] = set()
    found: list[Any] = []
    for node in reversed(nodes):
        is_effect = node.op == "call_function" and not node.users and not editor.is_known(node)
        if node.op != "output" and not is_effect and node not in needed:
            continue
        if _is_check(node) and all(editor.is_known(each) for each in node.all_input_nodes):
            continue
        if editor.is_known(node) and _is_folded(node):
            found.append(node)
        else:
            needed.update(node.all_input_nodes)
    for node in found:
        editor.replace(node, editor.constant(editor.value(node), node))
    if found:
        for node in reversed(nodes):
            is_unread = node.op == "call_function" and node not in found and not node.users
            if is_unread and (editor.is_known(node) or _is_check(node)):
                editor.graph.erase_node(node)


def _is_check(node: Any) -> bool:
    return node.target is _aten._assert_tensor_metadata.default


def _is_folded(node: Any) -> bool:
    """Whether an operator is neither scalar arithmetic, nor a view, nor a fill."""
    if node.op != "call_function" or not isinstance(node.meta["val"], torch.Tensor):
        return False
    if node.target is operator.getitem:
        return not node.args[0].target.is_view
    op = node.target
    makes = not node.all_input_nodes
    plain = op in _KEPT or op.is_view or torch.Tag.pointwise in op.tags
    return not (plain or makes)
