"""ONNX models through the whole way: imported, designed, programmed, run, compared.

    python benchmarks/onnx_coverage.py nodes [--only PATTERN] [--limit N] [--every K]
    python benchmarks/onnx_coverage.py models FOLDER...
    python benchmarks/onnx_coverage.py --docs

``nodes`` runs the backend test suite of the package ``onnx``: small models with inputs and the
outputs that the standard asks for. Left out beforehand are training, random numbers, and values
that are no tensors. Inputs of integers that decide a shape (the shape of a Reshape, the axes of a
reduction) are made constants, as exporters write them; the table says for how many that was done.
``models`` runs every ``*.onnx`` below the folders, against ONNX Runtime with random inputs.

Results are kept in benchmarks/data/onnx.json, one a case, and a run goes on where it stopped;
``--again`` starts anew. Needs the extra ``onnx``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import multiprocessing
import re
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "benchmarks" / "data" / "onnx.json"
PAGE = ROOT / "docs" / "onnx-coverage.md"
SECONDS = 300
"""Of processor time that a case may take."""
TOLERANCE = {"float64": 1e-6, "float32": 1e-3, "float16": 4e-3, "bfloat16": 2e-2}
SEARCH = "evaluations=16 strategy=random seed=1 quiet=true"
SIZES = {
    "silero": ["--shape", "sequence=576", "--value", "sr=16000"],
    "det_infer": ["--shape", "x=1x3x64x64"],
    "rec_infer": ["--shape", "x=1x3x48x64"],
    "cls_infer": ["--shape", "x=1x3x48x192"],
}
"""What is given for models that leave sizes open, by a part of their names."""


KINDS = {
    "float32": "f32", "float64": "f64", "float16": "f16", "bfloat16": "bf16", "int64": "i64",
    "int32": "i32", "int16": "i16", "int8": "i8", "bool": "i1",
}  # fmt: skip


class RefusedError(Exception):
    """A tool refused the input in one line."""


def call(main: Any, arguments: list[str]) -> None:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    if code == 1:
        lines = err.getvalue().splitlines()
        told = next((x for x in lines if "error:" in x), "")
        more = next((x for x in lines if "note:" in x and " at " in x), "")
        more = re.sub(r"^.*?: note: (\S+) at \S+", r" (\1", more) + ")" if more else ""
        raise RefusedError(re.sub(r"^.*?error: ", "", told) + more)
    if code:
        raise AssertionError(f"exit code {code}: {err.getvalue()[:300]}")


def run(model: Path, folder: Path, given: list[str]) -> dict[str, str]:
    """Imports, designs and runs; returns the stage that ended, and why."""
    from asic_compiler.tools import asic_import, asic_opt, asic_run

    text, out = folder / "m.mlir", folder / "out"
    weights, inputs = folder / "weights.safetensors", folder / "inputs.safetensors"
    results = folder / "results.safetensors"
    stages = (
        ("import", asic_import.main,
         [str(model), *given, "-o", str(text), "--with-weights", str(folder)]),
        ("raise", asic_opt.main, [str(text), "--convert-linalg-to-asic", "-o", "/dev/null"]),
        ("design", asic_opt.main,
         [str(text), f"--rl-explore={SEARCH} emit={out}", "-o", "/dev/null"]),
    )  # fmt: skip
    for stage, main, arguments in stages:
        try:
            call(main, arguments)
        except RefusedError as error:
            return {"outcome": "refused", "stage": stage, "why": str(error)[:200]}
    given_inputs = folder / "given.safetensors"
    if given_inputs.exists():
        given_inputs.replace(inputs)
    try:
        call(
            asic_run.main,
            [str(out / "program.mlir"), "--weights", str(weights), "--inputs", str(inputs),
             "--outputs", str(results)],
        )  # fmt: skip
    except RefusedError as error:
        return {"outcome": "refused", "stage": "run", "why": str(error)[:200]}
    return {"outcome": "ran"}


def compare(found: Any, expected: dict[str, Any]) -> dict[str, Any]:
    """The largest error of all results, and whether it is one."""
    worst, right = 0.0, True
    for name, reference in expected.items():
        array = np.asarray(found[name])
        if array.shape != reference.shape:
            return {"outcome": "wrong", "why": f"shape {array.shape} for {reference.shape}"}
        kind = reference.dtype.name
        if kind in TOLERANCE:
            ours, theirs = array.astype(np.float64), reference.astype(np.float64)
            same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
            with np.errstate(invalid="ignore"):
                error = np.where(same, 0.0, np.abs(ours - theirs))
            finite = np.abs(theirs[np.isfinite(theirs)]).max(initial=0.0)
            relative = float(np.nan_to_num(error, nan=np.inf).max(initial=0.0)) / (finite or 1.0)
            worst = max(worst, relative)
            right &= relative <= TOLERANCE[kind]
        else:
            right &= bool(np.array_equal(array.astype(reference.dtype), reference))
    return {"outcome": "right" if right else "wrong", "error": worst}


def array_of(value: Any) -> Any:
    """An array; the suite holds some as messages."""
    import onnx

    is_message = isinstance(value, onnx.TensorProto)
    return onnx.numpy_helper.to_array(value) if is_message else np.asarray(value)


def node_case(case: Any, folder: Path) -> dict[str, Any]:
    """One case of the backend suite."""
    import onnx

    from asic_compiler.tensors.files import TensorFacts, TensorFile, write_tensors

    inputs, outputs = case.data_sets[0]
    model, names = case.model, [value.name for value in case.model.graph.input]
    arrays = dict(zip(names, map(array_of, inputs), strict=False))
    found: dict[str, Any] = {}
    small = [n for n, a in arrays.items() if a.dtype.kind in "iub" and a.size <= 64]
    for constants in ([], small) if small else ([],):
        made = onnx.ModelProto.FromString(model.SerializeToString())
        for name in constants:
            made.graph.initializer.append(onnx.numpy_helper.from_array(arrays[name], name))
        free = {n: a for n, a in arrays.items() if n not in constants}
        path = folder / "case.onnx"
        path.write_bytes(made.SerializeToString())
        for stale in folder.glob("*.safetensors"):
            stale.unlink()
        if all(a.dtype.name in KINDS for a in free.values()):
            facts = {n: TensorFacts(a.shape, KINDS[a.dtype.name]) for n, a in free.items()}

            def data(n: str, free: dict[str, Any] = free) -> memoryview:
                return np.ascontiguousarray(free[n]).reshape(-1).view(np.uint8).data

            write_tensors(folder / "given.safetensors", facts, data, {})
        found = run(path, folder, [])
        found["constants"] = len(constants)
        if found["outcome"] == "ran":
            results = TensorFile(folder / "results.safetensors")
            names_out = [value.name for value in model.graph.output]
            expected = dict(zip(names_out, map(array_of, outputs), strict=True))
            return {**found, **compare(results, expected)}
        if not constants and not any(
            a.dtype.kind in "iub" and a.size <= 64 for a in arrays.values()
        ):
            break
    return found


def model_case(path: Path, folder: Path) -> dict[str, Any]:
    """A file against ONNX Runtime, with random inputs."""
    from asic_compiler.tensors.files import TensorFile

    given = next((sizes for part, sizes in SIZES.items() if part in path.name), [])
    found = run(path, folder, given)
    if found["outcome"] != "ran":
        return found
    results, reference = (TensorFile(folder / f"{n}.safetensors") for n in ("results", "reference"))
    return {**found, **compare(results, {name: np.asarray(reference[name]) for name in reference})}


def static(case: Any) -> bool:
    """Whether a case is of inference on tensors alone."""
    import onnx

    name, graph = case.name, case.model.graph
    kinds = {node.op_type for node in graph.node}
    is_tensor = all(
        v.type.WhichOneof("value") == "tensor_type"
        and v.type.tensor_type.elem_type != onnx.TensorProto.STRING
        for v in (*graph.input, *graph.output)
    )
    random = {"Bernoulli", "RandomUniformLike", "RandomNormalLike", "Multinomial", "Dropout"}
    return (
        bool(case.data_sets)
        and is_tensor
        and "training" not in name
        and "ai.onnx.preview.training" not in {o.domain for o in case.model.opset_import}
        and not (kinds & (random - {"Dropout"}))
    )


def limited(work: Any, *arguments: Any) -> dict[str, Any]:
    """One case in a process of its own, within its time."""
    parent, child = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=_child, args=(child, work, arguments)
    )
    started = time.monotonic()
    process.start()
    child.close()  # so that the end of the process is the end of the pipe
    found = {"outcome": "not ended", "why": f"more than {SECONDS} s of processor time"}
    if parent.poll(20 * SECONDS):
        with contextlib.suppress(EOFError):
            found = parent.recv()
    process.join(1)
    if process.is_alive():
        process.kill()
    return {**found, "seconds": round(time.monotonic() - started, 2)}


def _child(pipe: Any, work: Any, arguments: tuple[Any, ...]) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 5))
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = work(*arguments, Path(folder))
        except BaseException as error:  # a defect of ours is a row of the table
            found = {"outcome": "internal", "why": f"{type(error).__name__}: {error}"[:300]}
        pipe.send(found)


def load() -> dict[str, Any]:
    return json.loads(DATA.read_text()) if DATA.exists() else {}


def save(rows: dict[str, Any]) -> None:
    DATA.write_text(json.dumps(rows, indent=0, sort_keys=True) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", nargs="*", help="'nodes', or 'models' and folders")
    parser.add_argument("--only", default="", help="a pattern that names must have")
    parser.add_argument("--limit", type=int, default=10**9)
    parser.add_argument("--every", type=int, default=1, help="of the cases one of so many")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--docs", action="store_true", help="write the page from the results")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = load()
    if arguments.docs:
        PAGE.write_text(page(rows))
        return
    import asic_compiler.frontends.onnx.importing
    import asic_compiler.tools.asic_opt
    import asic_compiler.tools.asic_run  # noqa: F401  (each fork has them then)

    work: list[tuple[str, Any, Any]] = []
    if arguments.what[0] == "nodes":
        from onnx.backend.test.case.node import collect_testcases

        cases = [case for case in collect_testcases(None) if static(case)]
        work = [(f"node:{case.name}", node_case, case) for case in cases]
        with tempfile.TemporaryDirectory() as folder:  # what is compiled once, forks have
            node_case(next(case for case in cases if case.name == "test_abs"), Path(folder))
    else:
        paths = [p for folder in arguments.what[1:] for p in sorted(Path(folder).rglob("*.onnx"))]
        work = [(f"model:{p.name}", model_case, p) for p in paths]
    work = [w for w in work if re.search(arguments.only, w[0])][:: arguments.every]
    if not arguments.again:
        work = [w for w in work if w[0] not in rows]
    for done, (name, function, what) in enumerate(work[: arguments.limit]):
        rows[name] = limited(function, what)
        if done % 20 == 0 or function is model_case:
            save(rows)
            print(f"{done}/{len(work)} {name}: {rows[name]}", file=sys.stderr, flush=True)
    save(rows)
    print(Counter(row["outcome"] for row in rows.values()))


def page(rows: dict[str, Any]) -> str:
    """The page of docs/."""
    nodes = {k[5:]: v for k, v in rows.items() if k.startswith("node:")}
    models = {k[6:]: v for k, v in rows.items() if k.startswith("model:")}
    lines = [
        "# ONNX: what is right and what is refused",
        "",
        "Made by `benchmarks/onnx_coverage.py`, whose head says how to repeat it. Every case goes",
        "the whole way: imported, a chip designed (16 designs), a program written and run on the",
        "functional simulator, its results compared.",
        "",
        "## Files",
        "",
        "Against ONNX Runtime, random inputs; the error is the largest, of a result's largest",
        "magnitude. The `light_` networks of the package `onnx` have constants for weights.",
        "",
        "| file | outcome | largest error | seconds |",
        "|---|---|---|---|",
    ]
    for name, row in sorted(models.items()):
        error = f"{row['error']:.1e}" if "error" in row else ""
        outcome = row["outcome"] if row["outcome"] == "right" else f"{row['outcome']}: {why(row)}"
        lines.append(f"| {name} | {outcome} | {error} | {row['seconds']:.0f} |")
    count = Counter(row["outcome"] for row in nodes.values())
    fixed = sum(1 for row in nodes.values() if row["outcome"] == "right" and row.get("constants"))
    lines += [
        "",
        "## The backend test suite",
        "",
        f"{len(nodes)} cases of static inference on tensors: {count['right']} right, "
        f"{count['refused']} refused, {count['wrong']} wrong, {count['internal']} a defect.",
        "Of the suite's 1,808 such cases these are one of eight, in the order of their names.",
        f"Of those that are right {fixed} have their small inputs of integers as constants.",
        "",
        "### Refused, by reason",
        "",
        "| where | reason | cases |",
        "|---|---|---|",
    ]
    reasons = Counter(
        (row.get("stage", ""), why(row)) for row in nodes.values() if row["outcome"] == "refused"
    )
    lines += [f"| {stage} | {reason} | {n} |" for (stage, reason), n in reasons.most_common()]
    bad = {k: v for k, v in nodes.items() if v["outcome"] in ("wrong", "internal")}
    if bad:
        lines += ["", "### Wrong, or a defect", "", "| case | what |", "|---|---|"]
        lines += [f"| {name} | {row['outcome']}: {why(row)} |" for name, row in sorted(bad.items())]
    return "\n".join(lines) + "\n"


def why(row: dict[str, Any]) -> str:
    """A reason without the names of one model."""
    text = re.sub(r"'[^']*' is a tensor", "an input or result is a tensor", row.get("why", ""))
    text = re.sub(r"(the shape that \w+) '[^']*'", r"\1", text)
    text = re.sub(r"(\w+) '[^']*' (is of the domain|draws)", r"\1 \2", text)
    return text.replace("|", "\\|")[:140]


if __name__ == "__main__":
    main()
