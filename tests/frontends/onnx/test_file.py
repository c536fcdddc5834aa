"""What is read of an ONNX file, and what is said of one that cannot be."""

import numpy as np
import pytest
from onnx import helper, save
from onnx_models import F32, cnn, model, value, weights, write

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.onnx.file import inputs_of, parse_sizes, read, set_sizes, set_values


def shapes(made):
    return {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in inputs_of(made)}


def with_sizes(made, *texts, batch=None):
    set_sizes(made, parse_sizes(texts, batch))
    return shapes(made)


def two_inputs():
    inputs = [value("a", ["batch", 4, "length"]), value("h", [2, "batch", "length"])]
    node = helper.make_node("Identity", ["a"], ["y"])
    return model([node], inputs, [value("y", ["batch", 4, "length"])])


def test_the_batch_is_one_where_nothing_is_said_and_the_same_everywhere():
    assert with_sizes(two_inputs(), "length=7") == {"a": [1, 4, 7], "h": [2, 1, 7]}
    assert with_sizes(two_inputs(), "length=7", batch=3) == {"a": [3, 4, 7], "h": [2, 3, 7]}


def test_an_input_is_given_whole_or_a_size_by_its_name():
    assert with_sizes(two_inputs(), "a=5x4x6", "h=2x5x6") == {"a": [5, 4, 6], "h": [2, 5, 6]}
    assert with_sizes(two_inputs(), "batch=5", "length=6") == {"a": [5, 4, 6], "h": [2, 5, 6]}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["length"], "expected NAME=SIZES"),
        (["length=0"], "expected NAME=SIZES"),
        (["length=-1"], "expected NAME=SIZES"),
        (["length=99999999999999999999"], "expected NAME=SIZES"),
        (["a=1x4x"], "expected NAME=SIZES"),
        (["length=3", "length=4"], "given twice"),
        (["width=3"], "no input and no open size has that name"),
        (["a=1x5x3"], "the file says batchx4xlength"),
        (["a=1x4"], "the file says batchx4xlength"),
        ([], "leaves sizes of inputs open"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(texts, message):
    with pytest.raises(UserError, match=message):
        with_sizes(two_inputs(), *texts)


def test_all_open_sizes_are_named_at_once():
    with pytest.raises(UserError) as error:
        with_sizes(two_inputs())
    assert list(error.value.notes) == [
        "--shape a=1x4x? with numbers for length",
        "--shape h=2x1x? with numbers for length",
    ]


def test_an_input_becomes_a_constant():
    made = two_inputs()
    with_sizes(made, "length=2")
    set_values(made, ["h=1.5"])
    assert list(shapes(made)) == ["a"]
    for wrong in ("k=1", "a=one", "a=", "a=1" + 50 * "0"):
        with pytest.raises(UserError, match="--value"):
            set_values(made, [wrong])


def test_what_is_no_model_is_refused_with_its_place(tmp_path):
    path = tmp_path / "m.onnx"
    for content in (b"", b"\x00" * 64, b"no model\n", cnn().SerializeToString()[:100]):
        path.write_bytes(content)
        with pytest.raises(UserError) as error:
            read(path)
        assert str(error.value.render("asic-import")).startswith(f"{path}:1:1: error: not a valid")
    with pytest.raises(UserError, match="it is a folder, not a file"):
        read(tmp_path)
    with pytest.raises(UserError, match="cannot read"):
        read(tmp_path / "none.onnx")


def test_weights_may_lie_beside_the_file(tmp_path):
    path = tmp_path / "m.onnx"
    save(cnn(), str(path), save_as_external_data=True, location="m.data", size_threshold=0)
    whole = {t.name: t.raw_data for t in read(write(cnn(), tmp_path / "w.onnx")).graph.initializer}
    found = {t.name: t.raw_data for t in read(path).graph.initializer}
    assert found == whole
    (tmp_path / "m.data").unlink()
    with pytest.raises(UserError, match=r"not a valid ONNX model|cannot read"):
        read(path)


def test_data_outside_the_folder_is_not_read(tmp_path):
    (tmp_path / "secret").write_bytes(np.ones(4, np.float32).tobytes())
    folder = tmp_path / "in"
    folder.mkdir()
    made = model(
        [helper.make_node("Add", ["x", "w"], ["y"])], [value("x", [4])], [value("y", [4])],
        weights(w=np.zeros(4, np.float32)),
    )  # fmt: skip
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = tensor.EXTERNAL
    tensor.data_type = F32
    tensor.external_data.add(key="location", value="../secret")
    with pytest.raises(UserError):
        read(write(made, folder / "m.onnx"))


def test_functions_of_a_model_are_inlined(tmp_path):
    double = helper.make_function(
        "own", "Double", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 17)],
    )  # fmt: skip
    made = model(
        [helper.make_node("Double", ["x"], ["y"], domain="own")],
        [value("x", [4])], [value("y", [4])],
    )  # fmt: skip
    made.opset_import.append(helper.make_opsetid("own", 1))
    made.functions.append(double)
    found = read(write(made, tmp_path / "m.onnx"))
    assert [node.op_type for node in found.graph.node] == ["Add"]
