"""Safetensors files, whole and broken, and comparisons with a reference."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors import safe_open
from safetensors.torch import save_file
from xdsl.dialects.builtin import TensorType, bf16, f16, f32, i8, i64

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.context import make_context
from asic_compiler.frontends.mlir_text import parse_mlir
from asic_compiler.simulate.tensors import (
    check_related,
    check_whole,
    load,
    select,
    weights_of,
)
from asic_compiler.tensors.comparison import OwnArithmetic, compare, own_arithmetic
from asic_compiler.tensors.files import TensorFacts, structure, write_arrays, write_tensors

VALUES = {
    "half": torch.randn(3, 4, dtype=torch.float16),
    "brain": torch.randn(5, dtype=torch.bfloat16),
    "single": torch.randn(2, 1, 2),
    "double": torch.randn(1, dtype=torch.float64),
    "long": torch.tensor([[-(2**62), 7]]),
    "byte": torch.tensor([0, 255], dtype=torch.uint8),
    "flags": torch.tensor([True, False, True]),
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(0, 4),
}


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    path = tmp_path / "theirs.safetensors"
    save_file(VALUES, path, metadata={"model": "x"})
    return path


def test_files_of_the_library_are_read(theirs: Path):
    file = load(theirs)
    assert sorted(file) == sorted(VALUES)
    assert file.metadata == {"model": "x"}
    for name, tensor in VALUES.items():
        wide = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
        np.testing.assert_array_equal(file[name], wide.numpy())
        assert file[name].dtype == wide.numpy().dtype
        assert file[name].shape == tuple(tensor.shape)
    assert str(file.entries["brain"]) == "5xbf16"
    with pytest.raises(KeyError):
        file["missing"]


def test_bytes_without_sign_are_the_same_bits(theirs: Path):
    # PyTorch's uint8 was refused where the program reads i8, the one type that MLIR has for both.
    given = select(load(theirs), {"byte": TensorType(i8, [2])}, "inputs")
    assert given["byte"].dtype == np.int8
    assert given["byte"].tolist() == [0, -1]
    error = compare(given, {"byte": np.array([0, 255], np.uint8)}).outputs[0]
    assert error.max_abs == 0
    with pytest.raises(UserError, match="1 of 1 tensors do not fit"):
        select(load(theirs), {"byte": TensorType(i64, [2])}, "inputs")


def test_what_is_read_cannot_be_written(theirs: Path):
    with pytest.raises(ValueError, match="read-only"):
        load(theirs)["half"][0] = 1


def test_what_we_write_the_library_reads(tmp_path: Path):
    path = tmp_path / "ours.safetensors"
    values = {name: t.numpy() for name, t in VALUES.items() if t.dtype != torch.bfloat16}
    digest = write_arrays(path, values, {"seed": "3"})
    with safe_open(path, framework="numpy") as file:
        assert file.metadata() == {"seed": "3", "contents": digest}
        for name, value in values.items():
            np.testing.assert_array_equal(file.get_tensor(name), value)
    assert (path.stat().st_size - sum(v.nbytes for v in values.values())) % 8 == 0
    assert [p.name for p in tmp_path.iterdir()] == ["ours.safetensors"]


@given(arrays.arrays(np.float16, arrays.array_shapes(max_side=4), elements=st.floats(width=16)))
def test_a_round_trip_keeps_every_bit(tmp_path_factory: pytest.TempPathFactory, values: Any):
    path = tmp_path_factory.mktemp("trip") / "x.safetensors"
    write_arrays(path, {"x": values}, {})
    assert load(path)["x"].tobytes() == values.tobytes()


def test_a_failure_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "x.safetensors"
    write_arrays(path, {"x": np.zeros(2, np.float32)}, {})
    before = path.read_bytes()
    facts = {"a": TensorFacts((2,), "f32"), "b": TensorFacts((2,), "f32")}

    def data(name: str) -> memoryview:
        if name == "b":
            raise RuntimeError("no more")
        return memoryview(bytes(8))

    with pytest.raises(RuntimeError):
        write_tensors(path, facts, data, {})
    with pytest.raises(ValueError, match="'a' has 4 bytes, not 8"):
        write_tensors(path, facts, lambda _: memoryview(bytes(4)), {})
    with pytest.raises(UserError, match="elements of type f8E5M2 cannot be stored"):
        write_tensors(path, {"a": TensorFacts((2,), "f8E5M2")}, data, {})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_open_file_keeps_its_data_when_a_new_one_takes_its_place(tmp_path: Path):
    """Outputs may be written over the inputs that they are computed from."""
    path = tmp_path / "x.safetensors"
    write_arrays(path, {"x": np.zeros(1000, np.float32)}, {})
    file = load(path)
    write_arrays(path, {"x": np.ones(1000, np.float32)}, {})
    assert np.all(file["x"] == 0)
    assert np.all(load(path)["x"] == 1)


def test_the_structure_knows_names_shapes_and_types_in_any_order():
    a, b = TensorFacts((2, 3), "f16"), TensorFacts((4,), "f16")
    one = structure({"a": a, "b": b})
    assert structure({"b": b, "a": a}) == one
    others = [
        {"a": b, "b": a},
        {"a": a},
        {"a": a, "c": b},
        {"a": TensorFacts((3, 2), "f16"), "b": b},
        {"a": TensorFacts((2, 3), "bf16"), "b": b},
    ]
    assert one not in {structure(other) for other in others}


class TestBrokenFiles:
    def test_there_is_none(self, tmp_path: Path):
        with pytest.raises(UserError, match=r"no such file: '.*w\.safetensors'"):
            load(tmp_path / "w.safetensors")

    def test_a_folder(self, tmp_path: Path):
        with pytest.raises(UserError, match="cannot read"):
            load(tmp_path)

    def test_every_truncation_is_told(self, theirs: Path, tmp_path: Path):
        whole = theirs.read_bytes()
        path = tmp_path / "cut.safetensors"
        header = 8 + int.from_bytes(whole[:8], "little")
        for size in (header - 1, header, header + 1, len(whole) - 1):
            path.write_bytes(whole[:size])
            with pytest.raises(UserError, match="is truncated") as caught:
                load(path)
            assert caught.value.notes == ("write or copy the file again",)
        for size in (0, 5, 8):
            path.write_bytes(whole[:size])
            with pytest.raises(UserError, match="is not a safetensors file"):
                load(path)

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"builtin.module {\n}\n",
            b"PK\x03\x04" + bytes(100),
            (12).to_bytes(8, "little") + b"not json at all",
            (2).to_bytes(8, "little") + b"[]",
            (16).to_bytes(8, "little") + b'{"x": {"dtype":1' + b"}",
        ],
    )
    def test_other_files(self, content: bytes, tmp_path: Path):
        path = tmp_path / "other"
        path.write_bytes(content)
        with pytest.raises(UserError, match="is not a safetensors file: ") as caught:
            load(path)
        assert "asic-import --with-weights" in caught.value.notes[0]

    @pytest.mark.parametrize(
        "entry",
        [
            {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]},
            {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]},
            {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]},
            {"dtype": "F32", "shape": [1]},
            {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]},
            "F32",
        ],
    )
    def test_entries_that_contradict_themselves(self, entry: Any, tmp_path: Path):
        header = json.dumps({"x": entry}).encode()
        path = tmp_path / "x.safetensors"
        path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))
        with pytest.raises(UserError, match="is not a safetensors file: malformed entry"):
            load(path)

    def test_types_that_cannot_be_read(self, tmp_path: Path):
        path = tmp_path / "x.safetensors"
        save_file({"x": torch.zeros(2, dtype=torch.float8_e5m2)}, path)
        file = load(path)
        with pytest.raises(UserError, match="'x' has elements of type F8_E5M2"):
            file["x"]

    def test_a_changed_bit_is_seen(self, tmp_path: Path):
        path = tmp_path / "x.safetensors"
        write_arrays(path, {"x": np.arange(4, dtype=np.float32), "y": np.arange(3)}, {})
        check_whole(load(path))
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        with pytest.raises(UserError, match="is damaged"):
            check_whole(load(path))

    def test_files_of_others_have_no_digest(self, theirs: Path):
        check_whole(load(theirs))


class TestSelect:
    def test_what_is_wanted_in_its_order(self, theirs: Path):
        wanted = {"single": TensorType(f32, [2, 1, 2]), "brain": TensorType(bf16, [5])}
        got = select(load(theirs), wanted, "weights")
        assert list(got) == ["single", "brain"]
        np.testing.assert_array_equal(got["single"], VALUES["single"].numpy())

    def test_everything_that_does_not_fit_is_told_at_once(self, tmp_path: Path):
        path = tmp_path / "w.safetensors"
        metadata = {"model": "other", "phase": "decode", "batch": "2", "context": "8"}
        tensors = {
            "a": np.zeros((2, 3), np.float16),
            "b": np.zeros(4, np.float32),
            "z": np.zeros(1),
        }
        write_arrays(path, tensors, metadata)
        wanted = {
            "a": TensorType(f16, [3, 2]),
            "b": TensorType(f16, [4]),
            "c": TensorType(i64, [1]),
        }
        with pytest.raises(UserError) as caught:
            select(load(path), wanted, "weights")
        message = f"'{path}' has not the weights of this program: 3 of 3 tensors do not fit"
        assert caught.value.message == message
        assert caught.value.notes == (
            "'a' is 2x3xf16, the program reads 3x2xf16",
            "'b' is 4xf32, the program reads 4xf16",
            "'c' (1xi64) is missing",
            "not read by the program: z",
            "the file was written for other: decode, batch 2, context 8",
        )

    def test_long_lists_are_cut(self, theirs: Path):
        wanted = {f"w{i}": TensorType(f16, [1]) for i in range(20)}
        with pytest.raises(UserError) as caught:
            select(load(theirs), wanted, "weights")
        assert "and 12 more" in caught.value.notes

    def test_the_weights_of_a_program(self):
        text = """builtin.module {
          "tcc.weight"() <{sym_name = "w0", bits = 16 : i64,
            value = dense_resource<m.up.weight> : tensor<2x3xf16>}> : () -> ()
          "tcc.weight"() <{sym_name = "w1", bits = 16 : i64,
            value = dense<1.0> : tensor<4xf16>}> : () -> ()
        }
        """
        module = parse_mlir(make_context(), text, "p.mlir")
        # A dense constant has its values with it.
        assert weights_of(module) == {"m.up.weight": TensorType(f16, [2, 3])}


def related(tmp_path: Path, **reference: str) -> list[Any]:
    files: list[Any] = []
    for number, name in enumerate(("weights", "inputs")):
        path = tmp_path / name
        values = {"x": np.full(2, number, np.float32)}
        write_arrays(path, values, {"model": "m", "seed": "1", "phase": "decode", "batch": "1"})
        files.append(load(path))
    digests = {file.path.name: file.metadata["contents"] for file in files}
    path = tmp_path / "reference"
    facts = {"model": "m", "seed": "2", "phase": "decode", "batch": "1", "context": "4"}
    write_arrays(path, {"x": np.zeros(2)}, {**facts, **digests, **reference})
    return [*files, load(path)]


class TestRelated:
    def test_files_of_one_run(self, tmp_path: Path):
        weights, inputs, reference = related(tmp_path)
        check_related(weights, inputs, reference)
        check_related(None, inputs, reference)

    @pytest.mark.parametrize("what", ["weights", "inputs"])
    def test_files_of_different_runs(self, what: str, tmp_path: Path):
        files = related(tmp_path, **{what: "0" * 64})
        with pytest.raises(UserError, match=f"was not computed from the {what} in") as caught:
            check_related(*files)
        assert caught.value.notes[0] == "the reference is of m: decode, batch 1, context 4, seed 2"
        assert caught.value.notes[1] == f"the {what} are of m: decode, batch 1, seed 1"

    def test_files_of_others_are_taken_as_they_are(self, theirs: Path, tmp_path: Path):
        _, _, reference = related(tmp_path)
        check_related(load(theirs), load(theirs), reference)
        check_related(load(theirs), load(theirs), load(theirs))


class TestCompare:
    def test_errors_are_of_the_tensors_size(self):
        reference = {"y": np.array([[1, -4], [0, 2]], np.float32)}
        outputs = {"y": np.array([[1, -4], [0.5, 2.25]], np.float16)}
        (figure,) = compare(outputs, reference).outputs
        assert (figure.max_abs, figure.max_rel) == (0.5, 0.125)
        assert figure.worst == (1, 0)
        assert figure.same_tokens is None

    def test_f16_is_compared_as_it_is(self):
        reference = {"y": np.array([2049], np.float32)}
        (figure,) = compare({"y": np.array([2048], np.float16)}, reference).outputs
        assert figure.max_abs == 1

    @pytest.mark.parametrize(
        ("ours", "theirs", "error"),
        [
            (math.nan, 1.0, math.inf),
            (1.0, math.nan, math.inf),
            (math.inf, 1.0, math.inf),
            (math.inf, -math.inf, math.inf),
            (math.inf, math.inf, 0.0),
            (math.nan, math.nan, 0.0),
        ],
    )
    def test_what_is_no_number(self, ours: float, theirs: float, error: float):
        comparison = compare(
            {"y": np.array([ours, 1], np.float32)}, {"y": np.array([theirs, 1], np.float32)}
        )
        assert comparison.outputs[0].max_abs == error
        assert bool(comparison.failures(1e9)) == (error > 0)

    def test_a_reference_of_zeros(self):
        zeros = {"y": np.zeros(3, np.float32)}
        assert compare(zeros, zeros).outputs[0].max_rel == 0
        assert compare({"y": np.full(3, 1e-9)}, zeros).outputs[0].max_rel == math.inf

    def test_scalars_and_empty_outputs(self):
        outputs = {"s": np.array(1.5, np.float16), "e": np.zeros((0, 2), np.float16)}
        comparison = compare(outputs, {name: a.astype(np.float32) for name, a in outputs.items()})
        assert comparison.failures(0) == []
        assert "scalar" in comparison.table()

    def test_tokens(self):
        reference = {"logits": np.array([[[1.0, 2, 3]], [[3, 2, 1]]]), "y": np.array([[1.0, 2]])}
        outputs = {"logits": np.array([[[1, 2, 3]], [[3, 3.1, 1]]]), "y": np.array([[1.01, 2]])}
        comparison = compare(outputs, reference)
        assert comparison.outputs[0].same_tokens == (1, 2)
        assert comparison.outputs[1].same_tokens is None
        assert comparison.failures(0.5) == ["'logits' gives another token at 1 of 2"]
        assert comparison.failures(0.01) == [
            "'logits' is off by 0.367 of its largest magnitude (at [1, 0, 1]), more than 0.01",
            "'logits' gives another token at 1 of 2",
        ]

    def test_the_table(self):
        reference = {"logits": np.array([[1.0, 4]]), "present.0.key": np.array([2.0])}
        outputs = {"logits": np.array([[1.0, 4.5]]), "present.0.key": np.array([2.0])}
        assert compare(outputs, reference).table().splitlines() == [
            "output         shape  max abs error  max rel error  next token",
            "logits         1x2    5.000e-01      1.250e-01      1/1 same",
            "present.0.key  1      0.000e+00      0.000e+00",
        ]

    def test_a_limit_is_twice_what_pytorch_loses_and_a_thousandth(self):
        reference = {"y": np.array([1.0, 100])}
        own = own_arithmetic({"own_type": "f16", "own_errors": '{"y": 0.004}'})
        assert own is not None
        assert own.limit("y") == pytest.approx(0.009)
        near, far = ({"y": np.array([1.0 + d, 100])} for d in (0.89, 0.91))
        assert compare(near, reference).failures_beside(own) == []
        (failure,) = compare(far, reference).failures_beside(own)
        assert failure.endswith("more than 0.009: twice the 0.004 of PyTorch in f16, and 0.001")
        assert "PyTorch f16" in compare(near, reference).table(own)

    def test_what_pytorch_overflows_in_is_no_measure(self):
        # Twice infinity would accept everything.
        own = OwnArithmetic("f16", {"y": math.inf})
        assert own.limit("y") == own.limit("unknown") == 0.01
        outputs = {"y": np.array([math.nan])}
        assert compare(outputs, {"y": np.ones(1)}).failures_beside(own)

    @pytest.mark.parametrize("text", ["[]", "{", '{"y": "x"}', '{"y": -1}', '{"y": NaN}'])
    def test_figures_that_cannot_be_read(self, text: str):
        with pytest.raises(UserError, match="own_errors"):
            own_arithmetic({"own_errors": text})

    def test_the_margin_of_another_token(self):
        reference = {"logits": np.array([[[1.0, 2, 4]], [[3, 2, 1]]])}
        outputs = {"logits": np.array([[[1, 2, 4]], [[3, 3.1, 1]]])}
        figure = compare(outputs, reference).outputs[0]
        assert figure.margin == 0.25
        assert figure.tokens == "1/2 same, margin 2.50e-01"

    def test_other_names_and_shapes_are_an_error(self):
        outputs = {"a": np.zeros(2), "b": np.zeros(3)}
        with pytest.raises(UserError, match="the reference is not one of these outputs") as caught:
            compare(outputs, {"b": np.zeros((3, 1)), "c": np.zeros(1)})
        assert caught.value.notes[:3] == (
            "'a' has no reference",
            "'c' is in the reference alone",
            "'b' has shape [3], its reference [3, 1]",
        )

    @given(st.integers(0, 2**32 - 1), st.floats(0.125, 8))
    def test_the_relative_error_does_not_depend_on_the_scale(self, seed: int, scale: float):
        rng = np.random.default_rng(seed)
        a, b = rng.normal(0, 1, (2, 5)), rng.normal(0, 1, (2, 5))
        one = compare({"y": a}, {"y": b}).outputs[0]
        other = compare({"y": a * scale}, {"y": b * scale}).outputs[0]
        assert math.isclose(one.max_rel, other.max_rel, rel_tol=1e-12)
        assert one.worst == other.worst


@pytest.mark.parametrize("metadata", [[], "text", 3, {"model": 3}, {"model": ["a"]}, {"a": None}])
def test_metadata_of_another_kind_is_refused(tmp_path: Path, metadata: Any):
    """A list ended in a trace where the model's name was looked up."""
    header = json.dumps({"__metadata__": metadata}).encode()
    path = tmp_path / "t.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(UserError, match="metadata"):
        load(str(path))
