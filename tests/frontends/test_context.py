"""Two modules in one process keep apart what they share only by name."""

from typing import cast

import pytest
from xdsl.dialects.builtin import DenseResourceAttr, ModuleOp

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.context import make_context
from asic_compiler.frontends.mlir_text import parse_mlir
from asic_compiler.tools import asic_opt

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


def weight(name: str, data: str = "") -> str:
    resources = f'{{-#\n dialect_resources: {{ builtin: {{ {name}: "{data}" }} }}\n#-}}'
    return (
        f"%w = arith.constant dense_resource<{name}> : tensor<2xf32>\n"
        f"%v = arith.constant dense_resource<{name}> : tensor<2xf32>\n"
        + (resources if data else "")
    )


def handles(module: ModuleOp) -> list[str]:
    return [
        cast("DenseResourceAttr", op.properties["value"]).resource_handle.data for op in module.ops
    ]


def test_modules_that_share_a_context_keep_the_names_of_their_weights():
    """The second one's ``w`` became ``w_0``, and no weight of that name was found."""
    ctx = make_context()
    for _ in range(3):
        assert handles(parse_mlir(ctx, weight("w"), "m")) == ["w", "w"]


def test_equal_data_of_a_shared_context_is_one_and_other_data_is_refused():
    ctx = make_context()
    data = "0x040000000000803F00000040"
    for _ in range(2):
        assert handles(parse_mlir(ctx, weight("w", data), "m")) == ["w", "w"]
    with pytest.raises(UserError, match="the resource 'w' has other data") as caught:
        parse_mlir(ctx, weight("w", data.replace("40", "41")), "m")
    assert caught.value.location is not None
    assert caught.value.location.line == 4


def test_each_part_of_a_split_input_has_its_own_resources(tmp_path, capsys):
    parts = [weight("w", "0x040000000000803F00000040"), weight("w", "0x040000000000803F00000041")]
    path = tmp_path / "m.mlir"
    path.write_text("// -----\n".join(parts))
    assert asic_opt.main([str(path), "--split-input-file"]) == 0
    told = capsys.readouterr().out.split("// -----")
    assert [part.count("dense_resource<w>") for part in told] == [2, 2]
    assert ["00000040" in part for part in told] == [True, False]
