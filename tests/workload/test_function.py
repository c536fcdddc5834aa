"""The one function of a module, and what must be refused because no program can stand for it."""

from __future__ import annotations

import pytest
from contexts import context, parse
from xdsl.utils.exceptions import VerifyException

from asic_compiler.diagnostics import UserError
from asic_compiler.passes.convert_linalg_to_asic import ConvertLinalgToAsic
from asic_compiler.workload.extract import extract
from asic_compiler.workload.function import main_function


def empty(name: str) -> str:
    return f"func.func @{name}() {{\nfunc.return\n}}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("builtin.module {}", "no function"),
        (empty("a") + empty("b"), "2 functions: @a, @b"),
        # One called main was taken, and the others were ignored without a word.
        (empty("main") + empty("b"), "2 functions: @main, @b"),
        (empty("main") + "func.func private @b(i32)", "2 functions: @main, @b"),
        (empty("main") + f"builtin.module {{\n{empty('b')}}}", "2 functions: @main, @b"),
        ("".join(empty(f"f{i}") for i in range(9)), "9 functions: .*, @f5, 3 more"),
        ("func.func private @main(i32)", "@main has no body"),
        ("func.func @f() {\ncf.br ^bb1\n^bb1:\nfunc.return\n}", "control flow between blocks"),
    ],
)
def test_a_module_is_about_one_function_of_one_block(text: str, message: str) -> None:
    module = parse(text)
    for ask in (main_function, extract, lambda m: ConvertLinalgToAsic().apply(context(), m)):
        with pytest.raises(UserError, match=message) as caught:
            ask(module)
        assert len(caught.value.notes) == 1


def test_a_function_has_any_name() -> None:
    assert main_function(parse(empty("step"))).sym_name.data == "step"


STEP = """func.func @main(%c: T, %x: T, %q: T) -> (T, T) {
  %w = asic.weight dense_resource<w> : T
  %o = asic.layout %c view affine_map<(i, j) -> (i, j)> : T -> T
  %n = asic.kv_append %x into %c {axis = 0 : i64, position = 0 : i64} : T into T -> T
  %s = asic.matmul %q, %n transpose_rhs : T, T -> T
  %v = asic.layout %n view affine_map<(i, j) -> (i, j)> : T -> T
  %y = asic.layout %s affine_map<(i, j) -> (j, i)> : T -> T
  %k = asic.layout %x affine_map<(i, j) -> (0, j)> : T -> T
  func.return %s, %n : T, T
}""".replace("T", "tensor<4x4xf32>")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("%x into %c", "%x into %k", "the cache is not an argument"),
        ("%x into %c", "%w into %c", "its values are a constant"),
        ("return %s, %n", "return %s, %v", "the cache is returned under another shape"),
        ("layout %s affine", "layout %n affine", "asic.layout reads the cache"),
        ("matmul %q, %n", "matmul %q, %k", "no product reads the cache"),
        ("matmul %q, %n", "matmul %w, %n", "a product with a constant reads the cache"),
        ("return %s, %n", "return %n, %n", "the cache is returned twice"),
    ],
)
def test_an_append_stands_where_a_program_can_execute_it(old: str, new: str, message: str) -> None:
    extract(parse(STEP))
    with pytest.raises(UserError, match=message) as caught:
        extract(parse(STEP.replace(old, new)))
    assert len(caught.value.notes) == 1


@pytest.mark.parametrize(
    ("old", "new", "reader"),
    [
        ("return %s, %n", "return %s, %c", "func.return"),
        ("matmul %q, %n", "matmul %q, %c", "asic.matmul"),
        ("layout %n view", "layout %c view", None),
        ("layout %s affine", "layout %o affine", "asic.layout"),
        ("%x into %c", "%o into %c", "it itself"),
    ],
)
def test_nothing_else_reads_the_old_state_of_a_cache(
    old: str, new: str, reader: str | None
) -> None:
    """An append was executed in place although the old state was read after it, or returned."""
    text = STEP.replace(old, new)
    if reader is None:  # a view alone reads nothing
        parse(text)
        return
    with pytest.raises(VerifyException, match=f"old state {reader}"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(%x: tensor<4xf32>) -> tensor<4xf32> {\nreturn %x : tensor<4xf32>\n}", "result 0 is an"),
        (
            "() -> tensor<4xf32> {\n%w = asic.weight dense_resource<w> : tensor<4xf32>\n"
            "return %w : tensor<4xf32>\n}",
            "result 0 is an argument or a constant",
        ),
        (
            '(%x: f32 {asic.name = "a"}, %y: f32 {asic.name = "a"}) {\nreturn\n}',
            "two arguments of @main have the name 'a'",
        ),
        # The default name of another argument.
        (
            '(%x: f32, %y: f32 {asic.name = "arg0"}) {\nreturn\n}',
            "two arguments of @main have the name 'arg0'",
        ),
    ],
)
def test_every_result_is_an_operators_and_every_name_one_tensors(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        extract(parse(f"func.func @main{text}"))
    assert len(caught.value.notes) == 1
