"""Rules of convert-linalg-to-asic on small pieces of IR, each also run by the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from asic_reference import run
from contexts import context, converted
from numpy.typing import NDArray
from xdsl.dialects.builtin import FileLineColLoc, IntAttr, ModuleOp, StringAttr

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects import asic
from asic_compiler.frontends.mlir_text import parse_mlir
from asic_compiler.passes.convert_linalg_to_asic import ConvertLinalgToAsic
from asic_compiler.passes.raising.fusion import MOST_INSTRUCTIONS

Array = NDArray[Any]
IDENTITY = "affine_map<(i, j) -> (i, j)>"
PARALLEL = 'iterator_types = ["parallel", "parallel"]'


def ops(module: ModuleOp, kind: type[Any]) -> list[Any]:
    return [op for op in module.walk() if isinstance(op, kind)]


def unary(name: str, source: str, out: str, body: str, element: str, shape: str = "4x6") -> str:
    """A linalg.generic over one operand; the body computes %y from %x."""
    kind, made = f"tensor<{shape}x{element}>", f"tensor<{shape}x{out}>"
    return f"""
    %e_{name} = tensor.empty() : {made}
    %{name} = linalg.generic {{indexing_maps = [{IDENTITY}, {IDENTITY}], {PARALLEL}}}
      ins(%{source} : {kind}) outs(%e_{name} : {made}) {{
    ^bb0(%x: {element}, %o: {out}):
      {body}
      linalg.yield %y : {out}
    }} -> {made}"""


def function(body: str, arguments: str, results: str, returned: str) -> str:
    return f"""func.func @main({arguments}) -> ({results}) {{
    {body}
    func.return {returned} : {results}
    }}"""


def numbers(*shape: int, dtype: Any = np.float32) -> Array:
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def test_a_function_of_asic_operators_is_left_alone() -> None:
    body = unary("a", "arg", "f32", "%y = math.exp %x : f32", "f32")
    before = str(converted(function(body, "%arg: tensor<4x6xf32>", "tensor<4x6xf32>", "%a")))
    assert str(converted(before)) == before


def test_elements_that_are_no_numbers_have_no_form() -> None:
    # Tensors of vectors became a product that the verifier of asic refused.
    body = unary("a", "arg", "vector<4xf32>", "%y = arith.addf %x, %x : vector<4xf32>",
                 "vector<4xf32>")  # fmt: skip
    kind = "tensor<4x6xvector<4xf32>>"
    with pytest.raises(UserError) as error:
        converted(function(body, f"%arg: {kind}", kind, "%a"))
    assert "are no numbers" in str(error.value.notes)


def test_a_long_chain_is_cut_into_bodies_of_bounded_length() -> None:
    # It was one body, copied at every operator: 2,000 in a row took 13 s, 4,000 four times that.
    count = MOST_INSTRUCTIONS + 10
    steps = [
        unary(f"v{i}", f"v{i - 1}" if i else "arg", "f32", "%y = arith.addf %x, %x : f32", "f32")
        for i in range(count)
    ]
    kind = "tensor<4x6xf32>"
    module = converted(function("\n".join(steps), f"%arg: {kind}", kind, f"%v{count - 1}"))
    lengths = [len(list(op.body.block.ops)) - 1 for op in ops(module, asic.ElementwiseOp)]
    assert sum(lengths) == count
    assert max(lengths) == MOST_INSTRUCTIONS


def test_a_chain_is_one_operation_and_keeps_its_roundings() -> None:
    body = (
        unary("a", "arg", "f16", "%y = arith.truncf %x : f32 to f16", "f32")
        + unary("b", "a", "f32", "%y = arith.extf %x : f16 to f32", "f16")
        + unary("c", "b", "f32", "%y = arith.mulf %x, %x : f32", "f32")
    )
    text = function(body, "%arg: tensor<4x6xf32>", "tensor<4x6xf32>", "%c")
    module = converted(text)
    (made,) = ops(module, asic.ElementwiseOp)
    names = [op.name for op in made.body.block.ops]
    assert names == ["arith.truncf", "arith.extf", "arith.mulf", "asic.yield"]
    x = numbers(4, 6)
    rounded = x.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(run(module, [x], {})[0], rounded * rounded)


def test_a_result_with_two_readers_is_kept() -> None:
    body = unary("a", "arg", "f32", "%y = math.exp %x : f32", "f32") + unary(
        "b", "a", "f32", "%y = arith.mulf %x, %x : f32", "f32"
    )
    text = function(body, "%arg: tensor<4x6xf32>", "tensor<4x6xf32>, tensor<4x6xf32>", "%a, %b")
    assert len(ops(converted(text), asic.ElementwiseOp)) == 2


def test_work_is_not_repeated_by_a_broadcast() -> None:
    """An exponential per row stays one per row when its result is spread over columns."""
    body = (
        unary("a", "arg", "f32", "%y = math.exp %x : f32", "f32", "4x1")
        + f"""
    %e = tensor.empty() : tensor<4x6xf32>
    %r = linalg.generic {{indexing_maps = [affine_map<(i, j) -> (i, 0)>, {IDENTITY}], {PARALLEL}}}
      ins(%a : tensor<4x1xf32>) outs(%e : tensor<4x6xf32>) {{
    ^bb0(%x: f32, %o: f32):
      %y = arith.addf %x, %x : f32
      linalg.yield %y : f32
    }} -> tensor<4x6xf32>"""
    )
    module = converted(function(body, "%arg: tensor<4x1xf32>", "tensor<4x6xf32>", "%r"))
    sizes = [op.result.type.get_shape() for op in ops(module, asic.ElementwiseOp)]
    assert sizes == [(4, 1), (4, 6)]
    x = numbers(4, 1)
    np.testing.assert_allclose(run(module, [x], {})[0], np.repeat(2 * np.exp(x), 6, axis=1))


def test_an_index_survives_fusion_through_a_transpose() -> None:
    body = (
        unary(
            "a",
            "arg",
            "f32",
            "%i = linalg.index 1 : index\n %k = arith.index_cast %i : index to i64\n"
            " %f = arith.sitofp %k : i64 to f32\n %y = arith.addf %x, %f : f32",
            "f32",
        )
        + """
    %t = tensor.empty() : tensor<6x4xf32>
    %b = linalg.transpose ins(%a : tensor<4x6xf32>) outs(%t : tensor<6x4xf32>) permutation = [1, 0]
    """
        + unary("c", "b", "f32", "%y = arith.mulf %x, %x : f32", "f32", "6x4")
    )
    module = converted(function(body, "%arg: tensor<4x6xf32>", "tensor<6x4xf32>", "%c"))
    assert len(ops(module, asic.ElementwiseOp)) == 1
    x = numbers(4, 6)
    np.testing.assert_allclose(run(module, [x], {})[0], ((x + np.arange(6)) ** 2).T, rtol=1e-6)


ARGMAX = """
    %zero = arith.constant 0 : i64
    %low = arith.constant 0xFF800000 : f32
    %e0 = tensor.empty() : tensor<4xf32>
    %e1 = tensor.empty() : tensor<4xi64>
    %f0 = linalg.fill ins(%low : f32) outs(%e0 : tensor<4xf32>) -> tensor<4xf32>
    %f1 = linalg.fill ins(%zero : i64) outs(%e1 : tensor<4xi64>) -> tensor<4xi64>
    %m, %i = linalg.generic {indexing_maps = [affine_map<(a, b) -> (a, b)>,
      affine_map<(a, b) -> (a)>, affine_map<(a, b) -> (a)>],
      iterator_types = ["parallel", "reduction"]}
      ins(%arg : tensor<4x6xf32>) outs(%f0, %f1 : tensor<4xf32>, tensor<4xi64>) {
    ^bb0(%x: f32, %o: f32, %p: i64):
      %n = linalg.index 1 : index
      %k = arith.index_cast %n : index to i64
      %y = arith.maximumf %x, %o : f32
      %c = arith.cmpf ogt, %x, %o : f32
      %s = arith.select %c, %k, %p : i64
      linalg.yield %y, %s : f32, i64
    } -> tensor<4xf32>, tensor<4xi64>
"""


def test_an_unused_index_of_the_maximum_is_dropped() -> None:
    module = converted(function(ARGMAX, "%arg: tensor<4x6xf32>", "tensor<4xf32>", "%m"))
    (made,) = ops(module, asic.ReduceOp)
    assert len(made.res) == 1
    assert [op.name for op in made.body.block.ops] == ["arith.maximumf", "asic.yield"]
    assert str(made.init) == "[0xff800000 : f32]"
    x = numbers(4, 6)
    np.testing.assert_array_equal(run(module, [x], {})[0], x.max(axis=1))


def test_a_used_index_of_the_maximum_is_exact() -> None:
    """The index alone needs the running maximum too: both accumulators stay."""
    module = converted(function(ARGMAX, "%arg: tensor<4x6xf32>", "tensor<4xi64>", "%i"))
    (made,) = ops(module, asic.ReduceOp)
    assert len(made.res) == 2
    x = numbers(4, 6)
    np.testing.assert_array_equal(run(module, [x], {})[0], x.argmax(axis=1))


def test_a_product_that_starts_elsewhere_adds_its_start() -> None:
    text = function(
        """%r = linalg.matmul ins(%a, %b : tensor<3x4xf32>, tensor<4x5xf32>)
             outs(%c : tensor<3x5xf32>) -> tensor<3x5xf32>""",
        "%a: tensor<3x4xf32>, %b: tensor<4x5xf32>, %c: tensor<3x5xf32>",
        "tensor<3x5xf32>",
        "%r",
    )
    module = converted(text)
    a, b, c = numbers(3, 4), numbers(4, 5), numbers(3, 5)
    np.testing.assert_allclose(run(module, [a, b, c], {})[0], c + a @ b, rtol=1e-6)


def test_a_repeated_rhs_is_shared_by_the_batch() -> None:
    """A weight repeated for each sequence, as torch.matmul writes it, is one matrix again."""
    text = function(
        """%e = tensor.empty() : tensor<2x4x5xf32>
        %w = linalg.broadcast ins(%b : tensor<4x5xf32>) outs(%e : tensor<2x4x5xf32>)
          dimensions = [0]
        %z = arith.constant 0.0 : f32
        %f = tensor.empty() : tensor<2x3x5xf32>
        %g = linalg.fill ins(%z : f32) outs(%f : tensor<2x3x5xf32>) -> tensor<2x3x5xf32>
        %r = linalg.batch_matmul ins(%a, %w : tensor<2x3x4xf32>, tensor<2x4x5xf32>)
          outs(%g : tensor<2x3x5xf32>) -> tensor<2x3x5xf32>""",
        "%a: tensor<2x3x4xf32>, %b: tensor<4x5xf32>",
        "tensor<2x3x5xf32>",
        "%r",
    )
    module = converted(text)
    (made,) = ops(module, asic.MatmulOp)
    assert made.sizes == (1, 6, 5, 4)
    a, b = numbers(2, 3, 4), numbers(4, 5)
    np.testing.assert_allclose(run(module, [a, b], {})[0], a @ b, rtol=1e-5)


def test_a_generic_product_sum_is_a_matmul() -> None:
    text = function(
        """%z = arith.constant 0.0 : f32
        %e = tensor.empty() : tensor<5x3xf32>
        %f = linalg.fill ins(%z : f32) outs(%e : tensor<5x3xf32>) -> tensor<5x3xf32>
        %r = linalg.generic {indexing_maps = [affine_map<(n, m, k) -> (m, k)>,
          affine_map<(n, m, k) -> (n, k)>, affine_map<(n, m, k) -> (n, m)>],
          iterator_types = ["parallel", "parallel", "reduction"]}
          ins(%a, %b : tensor<3x4xf32>, tensor<5x4xf32>) outs(%f : tensor<5x3xf32>) {
        ^bb0(%x: f32, %y: f32, %o: f32):
          %p = arith.mulf %y, %x : f32
          %s = arith.addf %p, %o : f32
          linalg.yield %s : f32
        } -> tensor<5x3xf32>""",
        "%a: tensor<3x4xf32>, %b: tensor<5x4xf32>",
        "tensor<5x3xf32>",
        "%r",
    )
    module = converted(text)
    (made,) = ops(module, asic.MatmulOp)
    assert made.transpose_rhs is not None
    a, b = numbers(3, 4), numbers(5, 4)
    np.testing.assert_allclose(run(module, [a, b], {})[0], b @ a.T, rtol=1e-5)


def test_operands_that_were_only_widened_are_read_narrow() -> None:
    body = (
        unary("u", "a", "f32", "%y = arith.extf %x : f16 to f32", "f16", "3x4")
        + unary("v", "b", "f32", "%y = arith.extf %x : f16 to f32", "f16", "4x5")
        + """
        %z = arith.constant 0.0 : f32
        %e = tensor.empty() : tensor<3x5xf32>
        %f = linalg.fill ins(%z : f32) outs(%e : tensor<3x5xf32>) -> tensor<3x5xf32>
        %r = linalg.matmul ins(%u, %v : tensor<3x4xf32>, tensor<4x5xf32>)
             outs(%f : tensor<3x5xf32>) -> tensor<3x5xf32>"""
    )
    arguments = "%a: tensor<3x4xf16>, %b: tensor<4x5xf16>"
    module = converted(function(body, arguments, "tensor<3x5xf32>", "%r"))
    assert [op.name for op in module.walk() if op.name.startswith("asic.")] == ["asic.matmul"]
    a, b = numbers(3, 4, dtype=np.float16), numbers(4, 5, dtype=np.float16)
    expected = a.astype(np.float32) @ b.astype(np.float32)
    np.testing.assert_array_equal(run(module, [a, b], {})[0], expected)
    # One operand alone keeps its conversion: products have one operand type.
    mixed = function(
        body.replace("ins(%u, %v", "ins(%u, %c"), arguments + ", %c: tensor<4x5xf32>",
        "tensor<3x5xf32>", "%r",
    )  # fmt: skip
    assert len(ops(converted(mixed), asic.ElementwiseOp)) == 1


PRODUCT = """
%kt = tensor.empty() : tensor<5x2xf32>
%t = linalg.transpose ins(%{0} : tensor<2x5xf32>) outs(%kt : tensor<5x2xf32>) permutation = [1, 0]
%z = arith.constant 0.0 : f32
%pe = tensor.empty() : tensor<3x2xf32>
%pf = linalg.fill ins(%z : f32) outs(%pe : tensor<3x2xf32>) -> tensor<3x2xf32>
%p = linalg.matmul ins(%q, %t : tensor<3x5xf32>, tensor<5x2xf32>)
  outs(%pf : tensor<3x2xf32>) -> tensor<3x2xf32>"""
INSERT = """%r = tensor.insert_slice %new into %old[0, 2] [2, 1] [1, 1]
    : tensor<2x1xf32> into tensor<2x5xf32>
    %again = tensor.insert_slice %new into %old[0, 0] [2, 1] [1, 1]
    : tensor<2x1xf32> into tensor<2x5xf32>
    %more = tensor.insert_slice %new into %r[0, 0] [2, 1] [1, 1]
    : tensor<2x1xf32> into tensor<2x5xf32>
    %flat = tensor.collapse_shape %r [[0, 1]] : tensor<2x5xf32> into tensor<10xf32>""" + unary(
    "s", "old", "f32", "%y = arith.addf %x, %x : f32", "f32", "2x5"
)
SLOT = np.s_[:, 2:3]


@pytest.mark.parametrize(
    ("returned", "product", "in_place"),
    [
        ("r p", "r", True),
        ("p r", "r", True),
        # The old state is read by an operator, by a product, by another append, or returned.
        ("r p s", "r", False),
        ("r p", "old", False),
        ("r p again", "r", False),
        ("r p old", "r", False),
        # The new state is read by what does not run where the cache lies, or returned otherwise.
        ("r", "old", False),
        ("r p more", "r", False),
        ("r p r", "r", False),
        ("r p flat", "r", False),
        ("p flat", "r", False),
        ("p s", "r", False),
    ],
)
def test_an_argument_is_written_in_place_only_where_nobody_needs_its_old_state(
    returned: str, product: str, in_place: bool
) -> None:
    names = returned.split()
    shapes = {"p": "tensor<3x2xf32>", "flat": "tensor<10xf32>"}
    text = function(
        INSERT + PRODUCT.format(product),
        "%new: tensor<2x1xf32>, %old: tensor<2x5xf32>, %q: tensor<3x5xf32>",
        ", ".join(shapes.get(name, "tensor<2x5xf32>") for name in names),
        ", ".join(f"%{name}" for name in names),
    )
    module = converted(text)
    assert len(ops(module, asic.KvAppendOp)) == in_place
    new, old, q = numbers(2, 1), numbers(2, 5), numbers(3, 5)
    r, again = old.copy(), old.copy()
    r[SLOT] = again[:, :1] = new
    more = r.copy()
    more[:, :1] = new
    values = {"r": r, "again": again, "more": more, "old": old, "flat": r.reshape(-1), "s": 2 * old}
    values["p"] = q @ values[product].T
    for got, name in zip(run(module, [new, old, q], {}), names, strict=True):
        np.testing.assert_allclose(got, values[name], rtol=1e-6, err_msg=name)


def test_roles_of_arguments_are_recorded_on_the_append() -> None:
    role = '{asic.role = "kv_value", asic.layer = 7 : i64}'
    arguments = f"%new: tensor<2x1xf32>, %old: tensor<2x5xf32> {role}, %q: tensor<3x5xf32>"
    text = function(INSERT + PRODUCT.format("r"), arguments, "tensor<3x2xf32>", "%p")
    (made,) = ops(converted(text), asic.KvAppendOp)
    assert (made.role.data, made.layer.value.data, made.position.value.data) == ("value", 7, 2)


def test_a_slice_of_several_dimensions_and_steps_is_written() -> None:
    text = """func.func @main(%b: tensor<2x3xf32>, %old: tensor<5x8xf32>) -> tensor<5x8xf32> {
      %r = tensor.insert_slice %b into %old[1, 0] [2, 3] [3, 2]
        : tensor<2x3xf32> into tensor<5x8xf32>
      func.return %r : tensor<5x8xf32>
    }"""
    new, old = numbers(2, 3), numbers(5, 8)
    expected = old.copy()
    expected[1:5:3, 0:6:2] = new
    np.testing.assert_array_equal(run(converted(text), [new, old], {})[0], expected)
    outside = text.replace("[1, 0] [2, 3]", "[2, 0] [2, 3]")
    with pytest.raises(UserError) as caught:
        converted(outside)
    assert "outside its destination" in caught.value.notes[0]


def test_a_result_that_no_operator_computes_is_copied() -> None:
    types = "tensor<2x3xf32>, tensor<6xf32>, tensor<2x3xf32>, tensor<3x2xf32>, tensor<2x3xf32>"
    text = f"""func.func @main(%x: tensor<2x3xf32>) -> ({types}) {{
      %w = arith.constant dense_resource<w> : tensor<3x2xf32>
      %c = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
      %v = tensor.collapse_shape %x [[0, 1]] : tensor<2x3xf32> into tensor<6xf32>
      func.return %x, %v, %x, %w, %c : {types}
    }}"""
    module = converted(text)
    copies = [op for op in ops(module, asic.LayoutOp) if not op.is_view]
    assert len(copies) == 4  # the argument that is returned twice is copied once
    x, w = numbers(2, 3), numbers(3, 2)
    found = run(module, [x], {"w": w})
    for got, value in zip(found, (x, x.reshape(-1), x, w, [[1, 2, 3], [4, 5, 6]]), strict=True):
        np.testing.assert_array_equal(got, value)
    assert str(converted(str(module))) == str(module)


def test_a_border_that_is_not_zero_stays_outside_the_convolution() -> None:
    def text(value: str) -> str:
        return function(
            f"""%v = arith.constant {value} : f32
            %z = arith.constant 0.0 : f32
            %p = tensor.pad %x low[0, 0, 1, 1] high[0, 0, 1, 1] {{
            ^bb0(%i: index, %j: index, %k: index, %l: index):
              tensor.yield %v : f32
            }} : tensor<1x2x4x4xf32> to tensor<1x2x6x6xf32>
            %e = tensor.empty() : tensor<1x3x4x4xf32>
            %f = linalg.fill ins(%z : f32) outs(%e : tensor<1x3x4x4xf32>) -> tensor<1x3x4x4xf32>
            %r = linalg.conv_2d_nchw_fchw {{strides = dense<1> : tensor<2xi64>,
              dilations = dense<1> : tensor<2xi64>}}
              ins(%p, %w : tensor<1x2x6x6xf32>, tensor<3x2x3x3xf32>)
              outs(%f : tensor<1x3x4x4xf32>) -> tensor<1x3x4x4xf32>""",
            "%x: tensor<1x2x4x4xf32>, %w: tensor<3x2x3x3xf32>",
            "tensor<1x3x4x4xf32>",
            "%r",
        )

    assert len(ops(converted(text("1.0")), asic.PadOp)) == 1
    assert len(ops(converted(text("0.0")), asic.PadOp)) == 0


def test_operations_carry_their_locations_on() -> None:
    body = unary("a", "arg", "f32", "%y = math.exp %x : f32", "f32")
    text = function(body, "%arg: tensor<4x6xf32>", "tensor<4x6xf32>", "%a")
    ctx = context()
    module = parse_mlir(ctx, text, "model.mlir")
    ConvertLinalgToAsic().apply(ctx, module)
    (made,) = ops(module, asic.ElementwiseOp)
    line = 1 + text[: text.index("linalg.generic")].count("\n")
    assert made.location == FileLineColLoc(StringAttr("model.mlir"), IntAttr(line), IntAttr(5))


def test_all_operations_without_a_counterpart_are_listed_with_their_places() -> None:
    text = """func.func @main(%x: tensor<4xf32>, %i: index) -> tensor<4xf32> {
  %e = tensor.empty() : tensor<4xf32>
  %a = "foo.first"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %b = linalg.exp ins(%a : tensor<4xf32>) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  %c = "tensor.scatter"(%b) : (tensor<4xf32>) -> tensor<4xf32>
  %d = "tensor.unpack"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %unused = "foo.unused"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %r = "foo.last"(%c, %d) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return %r : tensor<4xf32>
}"""
    ctx = context()
    module = parse_mlir(ctx, text, "model.mlir")
    before = str(module)
    with pytest.raises(UserError) as caught:
        ConvertLinalgToAsic().apply(ctx, module)
    error = caught.value
    assert error.message == "4 operations have no asic form"
    assert str(error.location) == "model.mlir:3:3"
    assert [note.split(":")[0].split(" ")[0] for note in error.notes] == [
        "foo.first",
        "tensor.scatter",
        "tensor.unpack",
        "foo.last",
    ]
    assert "model.mlir:6:3" in error.notes[2]
    assert str(module) == before


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("%y = arith.mulf %x, %s : f32", "run-time scalar"),
        ('%y = "foo.scalar"(%x) : (f32) -> f32', "foo.scalar"),
    ],
)
def test_bodies_that_cannot_be_kept_are_reported(body: str, reason: str) -> None:
    text = function(
        unary("a", "arg", "f32", body, "f32"),
        "%arg: tensor<4x6xf32>, %s: f32",
        "tensor<4x6xf32>",
        "%a",
    )
    with pytest.raises(UserError) as caught:
        converted(text)
    assert reason in caught.value.notes[0]


def test_dynamic_shapes_are_reported() -> None:
    text = """func.func @main(%x: tensor<4xf32>) -> tensor<?xf32> {
      %r = tensor.cast %x : tensor<4xf32> to tensor<?xf32>
      func.return %r : tensor<?xf32>
    }"""
    with pytest.raises(UserError) as caught:
        converted(text)
    assert "no static shape" in caught.value.notes[0]
