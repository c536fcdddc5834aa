"""Export, torch-mlir, attributes, text."""

from __future__ import annotations

import gc
import importlib
import logging
import traceback
from collections.abc import Generator
from contextlib import contextmanager, nullcontext, redirect_stderr
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, TensorArgument

from asic_compiler.diagnostics import SourceLocation, UserError
from asic_compiler.frontends.models import description
from asic_compiler.frontends.models.description import Description
from asic_compiler.frontends.pytorch.constant_indices import slice_constant_indices
from asic_compiler.frontends.pytorch.decompositions import own_decompositions
from asic_compiler.frontends.pytorch.graph import Names, ir, torch_dialect_module
from asic_compiler.frontends.pytorch.pipeline import (
    BACKEND_PIPELINE,
    LINALG_PIPELINE,
    PipelineError,
    run,
)
from asic_compiler.frontends.pytorch.prepared import Prepared
from asic_compiler.frontends.pytorch.results import (
    leave_out_constants,
    refuse_types,
    refuse_writes,
)
from asic_compiler.frontends.pytorch.rewrites import rewrite
from asic_compiler.frontends.pytorch.shapes import refuse_dynamic
from asic_compiler.frontends.pytorch.unsupported import UnsupportedOperator, find_unsupported
from asic_compiler.frontends.spec import ImportedModel, ImportSpec
from asic_compiler.frontends.stages import Stages
from asic_compiler.frontends.text import roles, without_defaults, workload_attribute

_effects: Any = importlib.import_module("torch.export._remove_effect_tokens_pass")
_decompositions: Any = importlib.import_module("torch_mlir.extras.fx_decomp_util")
_PLACES_SHOWN = 4


def export(prepared: Prepared, mode: FakeTensorMode | None) -> ExportedProgram:
    """The module as a graph of PyTorch operators.

    Raises:
        UserError: The model cannot be traced; the location is the model's line.
    """
    try:
        with mode if mode else nullcontext(), torch.no_grad(), _quiet():
            return torch.export.export(prepared.module, prepared.inputs, strict=False)
    except Exception as error:
        raise _untraceable(error, prepared.module) from None


@contextmanager
def _quiet() -> Generator[None]:
    """PyTorch logs and prints its whole graph before it raises; the error says what matters."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with redirect_stderr(StringIO()):
            yield
    finally:
        logging.disable(before)


def decompose(program: ExportedProgram) -> ExportedProgram:
    """The program in the operators that torch-mlir knows, and free of ordering tokens."""
    untyped: Any = program  # the table's type is unknown to pyright
    table = {**_decompositions.get_decomposition_table(), **own_decompositions()}
    program = untyped.run_decompositions(table)
    slice_constant_indices(program)
    # Tokens order the side effects of assertions: the importer rejects them, a chip has none.
    if any(spec.kind == InputKind.TOKEN for spec in program.graph_signature.input_specs):
        program = _effects._remove_effect_tokens(program)
    rewrite(program)
    return program


@contextmanager
def _paused_collector() -> Generator[None]:
    """Without cyclic garbage collection: tracing makes many objects that all stay."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _untraceable(error: Exception, module: torch.nn.Module) -> UserError:
    """The first line of what torch.export says, at the model's own line."""
    torch_root = str(Path(torch.__file__).parent)
    own_root = str(Path(__file__).parent)
    location = None
    for frame in traceback.extract_tb(error.__traceback__):
        if not frame.filename.startswith((torch_root, own_root, "<")) and frame.lineno:
            location = SourceLocation(frame.filename, frame.lineno, (frame.colno or 0) + 1)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    summary = lines[0] if lines else type(error).__name__
    notes = [f"{type(error).__name__} from torch.export of {type(module).__name__}"]
    if "data-dependent" in str(error) or "DataDependent" in type(error).__name__:
        notes.append("control flow and shapes must not depend on the values of tensors")
    return UserError(f"the model cannot be traced: {summary}", location, notes)


def lower(
    prepared: Prepared,
    spec: ImportSpec,
    mode: FakeTensorMode | None,
    stages: Stages,
    names: Names | None = None,
) -> ImportedModel:
    """Everything after the model is built.

    Args:
        prepared: The model.
        spec: What was asked for.
        mode: What its parameters are fake in.
        stages: Told of each stage.
        names: Takes down which parameters and buffers the program reads.

    Raises:
        UserError: The model cannot be traced, keeps state of its own, takes or gives what no
            program holds, or operators cannot be lowered; in the latter case
            ``spec.reproducer`` has been written.
    """
    with _paused_collector():
        with stages.run("torch.export"):
            program = export(prepared, mode)
        refuse_dynamic(program)
        with stages.run("decompose"):
            program = decompose(program)
    refuse_writes(program)
    refuse_types(program)
    notes = (*prepared.left_out, *leave_out_constants(program))
    names = names or Names(prepared.module, prepared.prefix)
    try:
        with stages.run("torch dialect"):
            module = torch_dialect_module(program, names)
        with stages.run("torch backend"):
            run(module, BACKEND_PIPELINE)
        with stages.run("linalg"):
            run(module, LINALG_PIPELINE)
    except UserError:
        raise
    except PipelineError as error:
        raise _unsupported(program, prepared, spec, error.messages) from None
    except Exception as error:  # the importer raises whatever it stumbles on
        raise _unsupported(program, prepared, spec, [str(error).splitlines()[0]]) from None
    with stages.run("print"):
        made = _finish(module, program, prepared, spec, names, stages)
    return replace(made, notes=notes)


def _unsupported(
    program: ExportedProgram, prepared: Prepared, spec: ImportSpec, messages: list[str]
) -> UserError:
    operators, text = find_unsupported(program, Names(prepared.module, prepared.prefix))
    kept = Path(spec.reproducer)
    pipeline = f"{BACKEND_PIPELINE[:-1]},{LINALG_PIPELINE.removeprefix('builtin.module(')}"
    header = f"// torch-mlir-opt -pass-pipeline='{pipeline}' {kept.name}\n"
    try:
        kept.write_text(header + text, encoding="utf-8")
        notes = [f"reproducer kept in {kept} (torch dialect, weights elided)"]
    except OSError as error:
        notes = [f"the reproducer could not be written: {error}"]
    if not operators:
        shown = "; ".join(dict.fromkeys(messages))
        return UserError(f"torch-mlir cannot lower the model: {shown}", notes=notes)
    plural = "operators" if len(operators) > 1 else "operator"
    return UserError(
        f"{len(operators)} {plural} cannot be lowered: "
        + ", ".join(operator.name for operator in operators),
        notes=[*(_describe(operator) for operator in operators), *notes],
    )


def _describe(operator: UnsupportedOperator) -> str:
    first = operator.places[0] if operator.places else "unknown place"
    others = operator.places[1:_PLACES_SHOWN]
    more = len(operator.places) - _PLACES_SHOWN
    tail = f"; also at {', '.join(others)}" if others else ""
    tail += f" and {more} more" if more > 0 else ""
    return f"{first}: {operator.name}: {operator.reason}{tail}"


def _finish(
    module: Any,
    program: ExportedProgram,
    prepared: Prepared,
    spec: ImportSpec,
    names: Names,
    stages: Stages,
) -> ImportedModel:
    function = next(op for op in module.body.operations if op.operation.name == "func.func")
    function_type = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value)
    argument_types = tuple(str(each) for each in function_type.inputs)
    result_types = tuple(str(each) for each in function_type.results)
    told, shown = prepared.described or Description(), prepared.workload.name
    arguments = prepared.arguments or description.arguments(
        told, _argument_names(program), argument_types, shown
    )
    results = prepared.results or description.results(
        told, arguments, argument_types, result_types, shown
    )
    if (len(arguments), len(results)) != (len(argument_types), len(result_types)):
        raise AssertionError(f"{arguments} {argument_types} {results} {result_types}")
    with module.context:
        function.attributes["arg_attrs"] = roles(arguments)
        function.attributes["res_attrs"] = roles(results)
        module.operation.attributes["asic.workload"] = workload_attribute(prepared.workload)

    def text(locations: bool) -> str:
        printed = module.operation.get_asm(
            print_generic_op_form=True, enable_debug_info=locations, assume_verified=False
        )
        return without_defaults(printed)

    return ImportedModel(
        text=text(spec.locations),
        located=partial(text, True),
        workload=prepared.workload,
        parameters=names.parameters,
        buffers=names.buffers,
        arguments=arguments,
        argument_types=argument_types,
        results=results,
        result_types=result_types,
        layers=prepared.layers,
        stage_seconds=stages.seconds,
    )


def _argument_names(program: ExportedProgram) -> tuple[str, ...]:
    """The names of a factory's inputs as its ``forward`` spells them."""
    return tuple(
        spec.arg.name
        for spec in program.graph_signature.input_specs
        if spec.kind == InputKind.USER_INPUT and isinstance(spec.arg, TensorArgument)
    )
