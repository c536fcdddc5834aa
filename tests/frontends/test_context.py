"""Two modules in one process keep apart what they share only by name."""

from asic_compiler.frontends.context import make_context
from asic_compiler.frontends.mlir_text import parse_mlir

TEXT = """
func.func @main() -> tensor<2xf16> {
  %w = arith.constant dense_resource<layer.weight> : tensor<2xf16>
  func.return %w : tensor<2xf16>
}
"""


def test_a_weight_keeps_its_name_when_a_second_module_has_one_of_the_same_name():
    first = parse_mlir(make_context(), TEXT, "first.mlir")
    second = parse_mlir(make_context(), TEXT, "second.mlir")
    assert "dense_resource<layer.weight>" in str(first)
    assert str(first) == str(second)
