"""The one function that a module is about, and what it must obey for programs to stand for it."""

from __future__ import annotations

from collections.abc import Iterator

from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import BlockArgument, Operation, OpResult, SSAValue

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects.asic import ConvOp, KvAppendOp, MatmulOp, WeightOp, readers_of, root_of
from asic_compiler.dialects.location import location_of

_NAMED = 6
"""Functions that a message names."""


def main_function(module: ModuleOp) -> FuncOp:
    """The function a module is about: its only one, of any name, with a body of one block.

    Raises:
        UserError: There is none, or there are several; it has no body, or several blocks.
    """
    found = list(_functions(module))
    if not found:
        raise UserError(
            "the module has no function",
            location_of(module),
            ["a model is one func.func with a body"],
        )
    if len(found) > 1:
        names = [f"@{function.sym_name.data}" for function in found[:_NAMED]]
        if len(found) > _NAMED:
            names.append(f"{len(found) - _NAMED} more")
        raise UserError(
            f"the module has {len(found)} functions: {', '.join(names)}",
            location_of(found[1]),
            [
                "one function is one chip: inline what it calls, and give each model a module of "
                "its own (--split-input-file reads several, between lines of '// -----')"
            ],
        )
    (function,) = found
    blocks = list(function.body.blocks)
    if not blocks:
        raise UserError(
            f"the function @{function.sym_name.data} has no body",
            location_of(function),
            ["a declaration is no model: give it a body"],
        )
    if len(blocks) > 1:
        raise UserError(
            "control flow between blocks has no place on the mesh",
            location_of(blocks[0].last_op or function),
            [f"the function @{function.sym_name.data} may have one block"],
        )
    return function


def _functions(op: Operation) -> Iterator[FuncOp]:
    """Functions in program order, also those of modules inside the module."""
    for region in op.regions:
        for block in region.blocks:
            for inner in block.ops:
                if isinstance(inner, FuncOp):
                    yield inner
                elif isinstance(inner, ModuleOp):
                    yield from _functions(inner)


def check_function(function: FuncOp) -> None:
    """Looks for what no program can do: every result, and every append, needs its operator.

    Raises:
        UserError: A result is no operator's; filters are computed; something is appended to what is
            not kept as a cache; two arguments, or two results, have one name.
    """
    for op in function.body.block.ops:
        if isinstance(op, KvAppendOp):
            reason = append_problem(op)
            if reason is not None:
                raise UserError(
                    f"keys or values are appended in place, but {reason}",
                    location_of(op),
                    ["--convert-linalg-to-asic makes it a copy with the new values (asic.concat)"],
                )
        elif isinstance(op, ConvOp) and not _is_constant(root_of(op.weight)):
            raise UserError(
                "a convolution with filters computed at run time",
                location_of(op),
                ["filters lie in weight memory: make them a parameter"],
            )
    last = function.body.block.last_op
    for index, operand in enumerate(last.operands if isinstance(last, ReturnOp) else ()):
        if not is_computed(operand):
            raise UserError(
                f"result {index} is an argument or a constant, which no operator computes",
                location_of(last or function),
                ["--convert-linalg-to-asic makes it a copy (asic.layout)"],
            )
    _check_names(function, function.arg_attrs, len(function.args), "arg")
    _check_names(function, function.res_attrs, len(function.function_type.outputs), "result")


def append_problem(op: KvAppendOp) -> str | None:
    """Why a cache cannot be written in place, beside what the verifier says; None where it can.

    The cache lies on the tiles of the products that read it, and the host finds it there: so
    products of two computed tensors, and the function's end, may read the new state. Others run
    on other tiles, where nothing is appended.
    """
    if not isinstance(root_of(op.cache), BlockArgument):
        return "the cache is not an argument of the function"
    if _is_constant(root_of(op.values)):
        return "its values are a constant"
    products = returns = 0
    for use in readers_of(op.result):
        reader = use.operation
        if isinstance(reader, ReturnOp):
            returns += 1
            if reader.operands[use.index] is not op.result:
                return "the cache is returned under another shape"
        elif not isinstance(reader, MatmulOp):
            return f"{reader.name} reads the cache, which lies on the tiles of products"
        elif any(_is_constant(root_of(operand)) for operand in reader.operands):
            return "a product with a constant reads the cache, on other tiles than it lies on"
        else:
            products += 1
    if not products:
        return "no product reads the cache"
    return "the cache is returned twice" if returns > 1 else None


def is_computed(value: SSAValue) -> bool:
    """Whether an operator computes a value that the function returns, perhaps behind views."""
    root = root_of(value)
    return isinstance(root, OpResult) and not _is_constant(root)


def _is_constant(root: SSAValue) -> bool:
    return isinstance(root, OpResult) and isinstance(root.op, WeightOp | ConstantOp)


def signature_names(
    attributes: ArrayAttr[DictionaryAttr] | None, count: int, prefix: str
) -> tuple[str, ...]:
    """What the host calls arguments or results: ``asic.name``, or their number."""
    names = [f"{prefix}{index}" for index in range(count)]
    for index, given in enumerate(attributes or ()):
        name = given.data.get("asic.name")
        if isinstance(name, StringAttr):
            names[index] = name.data
    return tuple(names)


def _check_names(
    function: FuncOp, attributes: ArrayAttr[DictionaryAttr] | None, count: int, prefix: str
) -> None:
    what = "arguments" if prefix == "arg" else "results"
    seen: set[str] = set()
    for name in signature_names(attributes, count, prefix):
        if name in seen:
            raise UserError(
                f"two {what} of @{function.sym_name.data} have the name '{name}'",
                location_of(function),
                ["the host tells them apart by asic.name"],
            )
        seen.add(name)
