"""How ``asic-opt`` writes MLIR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.targets.mlir import MLIRTarget

from asic_compiler.dialects.text import ExactPrinter, ExactSyntaxPrinter


@dataclass(frozen=True)
class ExactTarget(MLIRTarget):
    """MLIR text that reads back as the same module; takes the place of xDSL's target."""

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        """Writes the module, and the data of its resources."""
        printer = (ExactSyntaxPrinter if self.syntax_highlight else ExactPrinter)(
            stream=output,
            print_generic_format=self.print_generic_format,
            print_properties_as_attributes=self.print_properties_as_attributes,
            print_debuginfo=self.print_debuginfo,
        )
        printer.print_op(module)
        printer.print_metadata(ctx.loaded_dialects)
        print("\n", file=output)
