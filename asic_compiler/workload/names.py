"""Readable, unique names for operators, from the names of the weights around them."""

from __future__ import annotations

from collections.abc import Sequence


def common_prefix(parameters: Sequence[str]) -> int:
    """How many leading parts the modules of all parameters share (0 if there is one module)."""
    modules = sorted({tuple(name.split(".")[:-1]) for name in parameters if "." in name})
    if len(modules) < 2:
        return 0
    # Sorted: what the first and the last share, all share.
    shared = 0
    for first, last in zip(modules[0], modules[-1], strict=False):
        if first != last:
            break
        shared += 1
    return shared


class OperatorNames:
    """Names operators in program order.

    An operator with a weight is called after the weight's module. One without takes the module
    that the latest matrix product or convolution belongs to, and a label. A leading ``model``,
    which every Hugging Face name has or lacks for no reason of the network's, is left out.

    Args:
        parameters: Names of all weights, for the prefix they share.
    """

    def __init__(self, parameters: Sequence[str]) -> None:
        self._drop = common_prefix(parameters)
        self._scope: list[str] = []
        self._taken: set[str] = set()

    def name(self, parameter: str | None, label: str, *, opens_scope: bool) -> str:
        """The name of the next operator.

        Args:
            parameter: The weight it reads, if any.
            label: What it is, for operators without a weight or whose module's name is taken.
            opens_scope: Whether following operators belong to its module.
        """
        if parameter is None:
            return self._unique(".".join([*self._scope, label]))
        parts = parameter.split(".")
        parts = parts[self._drop :] if len(parts) > self._drop else parts[-1:]
        if parts[0] == "model" and len(parts) > 1:
            parts = parts[1:]
        module = parts[:-1] or parts
        if opens_scope:
            self._scope = module[:-1]
        name = ".".join(module)
        return self._unique(f"{name}.{label}" if name in self._taken else name)

    def _unique(self, name: str) -> str:
        found, number = name, 0
        while found in self._taken:
            number += 1
            found = f"{name}.{number}"
        self._taken.add(found)
        return found
