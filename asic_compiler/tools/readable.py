"""What was imported must be what ``asic-opt`` can compile: told at once, at the model's lines."""

from __future__ import annotations

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends import ImportedModel
from asic_compiler.frontends.context import make_context
from asic_compiler.frontends.mlir_text import parse_mlir


def refuse_unreadable(imported: ImportedModel) -> None:
    """Raises the module, and drops it.

    Args:
        imported: A whole import.

    Raises:
        UserError: Some operations have no counterpart: all of them, each with the line of the
            model that it comes from.
    """
    try:
        _raise(imported.text, imported.workload.name)
    except UserError as error:
        found = error
    else:
        return
    if imported.located is not None:
        try:
            _raise(imported.located(), imported.workload.name)
        except UserError as error:
            found = error
    notes = list(dict.fromkeys(found.notes))
    notes.append("write these lines in other operators, or leave them to the host")
    raise UserError(f"the model cannot be compiled: {found.message}", found.location, notes)


def _raise(text: str, name: str) -> None:
    # Imported here: nobody who asks for --help should wait for them.
    from asic_compiler.passes.convert_linalg_to_asic import ConvertLinalgToAsic
    from asic_compiler.workload.function import check_function, main_function

    context = make_context(allow_unregistered=True)
    module = parse_mlir(context, text, name)
    ConvertLinalgToAsic().apply(context, module)
    check_function(main_function(module))
