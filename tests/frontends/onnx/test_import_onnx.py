"""ONNX models through the whole way, beside ONNX Runtime."""

import numpy as np
import pytest
from onnx import helper
from onnx_models import BOOL, I64, cnn, model, value, weights, write

from asic_compiler.tensors.files import TensorFile
from asic_compiler.tools import asic_import, asic_opt, asic_run


def run(path, folder, *flags):
    """Imports, designs and runs a model; the check is of the tool itself."""
    text, out = folder / "m.mlir", folder / "out"
    assert (
        asic_import.main(
            [str(path), *flags, "-o", str(text), "--with-weights", str(folder), "--verify-numerics"]
        )
        == 0
    )
    search = f"--rl-explore=evaluations=16 strategy=random seed=1 quiet=true emit={out}"
    assert asic_opt.main([str(text), search, "-o", "/dev/null"]) == 0
    files = {name: str(folder / f"{name}.safetensors") for name in ("weights", "inputs")}
    reference = str(folder / "reference.safetensors")
    assert asic_run.main(
        [str(out / "program.mlir"), "--weights", files["weights"], "--inputs", files["inputs"],
         "--check", reference]
    ) == 0  # fmt: skip
    return text.read_text()


@pytest.mark.parametrize("opset", [9, 17])
def test_a_network_with_open_batch_and_an_old_version(tmp_path, opset):
    made = cnn(17)
    if opset == 9:  # BatchNormalization had other outputs then, Unsqueeze its axes as attribute
        made = cnn(9)
        for node in made.graph.node:
            if node.op_type == "Unsqueeze":
                del node.input[1]
                node.attribute.append(helper.make_attribute("axes", [0]))
    text = run(write(made, tmp_path / "m.onnx"), tmp_path, "--batch", "2")
    assert "dense_resource<conv_w>" in text
    assert "dialect_resources" not in text  # weights go by name, without data
    names = set(TensorFile(tmp_path / "weights.safetensors"))
    assert {"conv_w", "conv_b", "head", "bias"} <= names


def test_attention_of_an_exporter(tmp_path):
    rng = np.random.default_rng(0)
    node = helper.make_node
    nodes = [
        node("Gather", ["table", "ids"], ["e"]),
        node("MatMul", ["e", "wq"], ["q"]), node("MatMul", ["e", "wk"], ["k"]),
        node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
        node("MatMul", ["q", "kt"], ["scores"]),
        node("Mul", ["scores", "scale"], ["scaled"]),
        node("Where", ["mask", "scaled", "low"], ["masked"]),
        node("Softmax", ["masked"], ["p"], axis=-1),
        node("MatMul", ["p", "e"], ["a"]),
        node("LayerNormalization", ["a", "g", "b"], ["y"], axis=-1),
    ]  # fmt: skip

    def normal(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    constants = weights(
        table=normal(11, 8), wq=normal(8, 8), wk=normal(8, 8), g=normal(8), b=normal(8),
        scale=np.float32(0.35), low=np.float32(-1e9), mask=np.tril(np.ones((6, 6), np.bool_)),
    )  # fmt: skip
    made = model(nodes, [value("ids", [1, 6], I64)], [value("y", [1, 6, 8])], constants)
    run(write(made, tmp_path / "m.onnx"), tmp_path)


def test_integers_and_booleans_are_exact(tmp_path):
    nodes = [
        helper.make_node("Greater", ["a", "b"], ["big"]),
        helper.make_node("And", ["big", "on"], ["y"]),
        helper.make_node("Sub", ["a", "b"], ["d"]),
    ]
    inputs = [value("a", [3, 4], I64), value("b", [3, 4], I64), value("on", [4], BOOL)]
    made = model(nodes, inputs, [value("y", [3, 4], BOOL), value("d", [3, 4], I64)])
    run(write(made, tmp_path / "m.onnx"), tmp_path)


def test_operators_that_cannot_be_lowered_are_all_named(tmp_path, capsys):
    pooled = {"pooled_shape": [2, 2]}
    nodes = [
        helper.make_node("Relu", ["x"], ["r"], "fine"),
        helper.make_node("MaxRoiPool", ["r", "rois"], ["d"], "first", **pooled),
        helper.make_node("MaxRoiPool", ["x", "rois"], ["e"], "second", **pooled),
    ]
    inputs = [value("x", [1, 3, 8, 8]), value("rois", [2, 5])]
    made = model(nodes, inputs, [value("d", [2, 3, 2, 2]), value("e", [2, 3, 2, 2])])
    path = write(made, tmp_path / "m.onnx")
    assert asic_import.main([str(path), "-o", str(tmp_path / "m.mlir")]) == 1
    told = capsys.readouterr().err
    assert "error: 1 operator cannot be lowered: MaxRoiPool" in told
    assert "MaxRoiPool (first, second):" in told
    assert not (tmp_path / "m.mlir").exists()


@pytest.mark.parametrize("flags", [["--phase", "decode"], ["--dtype", "f16"], ["--layers", "2"]])
def test_options_of_other_models_have_no_meaning(tmp_path, capsys, flags):
    path = write(cnn(), tmp_path / "m.onnx")
    assert asic_import.main([str(path), *flags]) == 1
    assert "has no meaning for an ONNX file" in capsys.readouterr().err


def test_types_that_no_program_has_are_refused(tmp_path, capsys):
    made = model(
        [helper.make_node("Identity", ["x"], ["y"])], [value("x", [4], 2)], [value("y", [4], 2)]
    )
    assert asic_import.main([str(write(made, tmp_path / "m.onnx"))]) == 1
    assert "'x' is a tensor of uint8" in capsys.readouterr().err


def test_unsigned_numbers_inside_are_refused(tmp_path, capsys):
    # Constants above 127 were read as negative ones.
    made = model(
        [helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"], axis=1),
         helper.make_node("Add", ["x", "d"], ["y"])],
        [value("x", [1, 2])], [value("y", [1, 2])],
        weights(q=np.array([[200, 3]], np.uint8), scale=np.ones(2, np.float32),
                zero=np.zeros(2, np.uint8)),
    )  # fmt: skip
    folded = write(made, tmp_path / "m.onnx")
    assert asic_import.main([str(folded), "-o", str(tmp_path / "m.mlir")]) == 1
    assert "is a tensor of uint8 inside of the model" in capsys.readouterr().err
