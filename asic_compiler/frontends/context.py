"""The dialects that our tools read and write."""

from __future__ import annotations

from collections.abc import Callable

from xdsl.context import Context
from xdsl.dialect_interfaces.op_asm import OpAsmDialectInterface
from xdsl.dialects.builtin import Builtin
from xdsl.ir import Dialect
from xdsl.universe import Universe

from asic_compiler.registry import DIALECT_REPLACEMENTS, DIALECTS


def dialect_factories() -> dict[str, Callable[[], Dialect]]:
    """Every dialect here by name; ours replace those of xDSL that lack operations."""
    factories = dict(Universe.get_multiverse().all_dialects)
    for table in (DIALECTS, DIALECT_REPLACEMENTS):
        factories.update({name: entry.load for name, entry in table.items()})
    factories["builtin"] = _own_builtin
    return factories


def _own_builtin() -> Dialect:
    """The builtin dialect with a resource store of its own.

    xDSL's is one object for the whole process: a second module with a weight of the same name
    would see it renamed (``w`` becomes ``w_0``), and names are how weights are found.
    """
    return Dialect(
        Builtin.name,
        list(Builtin.operations),
        list(Builtin.attributes),
        [OpAsmDialectInterface()],
    )


def forget_resources(context: Context) -> None:
    """Empties the store of resources: the next module is read as in a context of its own."""
    for dialect in context.loaded_dialects:
        interface = dialect.get_interface(OpAsmDialectInterface)
        if interface is not None:
            interface._blob_storage.clear()  # pyright: ignore[reportPrivateUsage]


def make_context(*, allow_unregistered: bool = False) -> Context:
    """A context in which each dialect is loaded when the text first uses it."""
    context = Context(allow_unregistered)
    for name, factory in dialect_factories().items():
        context.register_dialect(name, factory)
    return context
