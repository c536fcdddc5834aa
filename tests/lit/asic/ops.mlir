// RUN: asic-opt %s | asic-opt | filecheck %s
// RUN: asic-opt %s --print-op-generic | asic-opt | filecheck %s
// RUN: asic-opt %s --print-op-generic | filecheck %s --check-prefix GENERIC

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<2x3xf16>, %cache: tensor<2x8x4xf16>, %new: tensor<2x1x4xf16>) -> tensor<2x4xf16> {
  // CHECK-NEXT: %w = asic.weight {stage = 1 : i64} dense_resource<layers.0.up_proj.weight> : tensor<4x3xf16>
  // GENERIC:    %w = "asic.weight"() <{value = dense_resource<layers.0.up_proj.weight> : tensor<4x3xf16>, stage = 1 : i64}> : () -> tensor<4x3xf16>
  %w = asic.weight {stage = 1 : i64} dense_resource<layers.0.up_proj.weight> : tensor<4x3xf16>

  // CHECK-NEXT: %y = asic.matmul %x, %w transpose_rhs {region = #asic.region<offset = [0, 0], size = [41, 1]>, split = #asic.split<m = 1, n = 41, k = 2>} : tensor<2x3xf16>, tensor<4x3xf16> -> tensor<2x4xf16>
  // GENERIC:    %y = "asic.matmul"(%x, %w) <{transpose_rhs, region = #asic.region<offset = [0, 0], size = [41, 1]>, split = #asic.split<m = 1, n = 41, k = 2>}>
  %y = asic.matmul %x, %w transpose_rhs {region = #asic.region<offset = [0, 0], size = [41, 1]>, split = #asic.split<m = 1, n = 41, k = 2>} : tensor<2x3xf16>, tensor<4x3xf16> -> tensor<2x4xf16>

  // CHECK-NEXT: %z = asic.elementwise(%y) {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<2x4xf16>) -> tensor<2x4xf16> {
  // CHECK-NEXT: ^bb0(%a: f16):
  // CHECK-NEXT:   %b = math.exp %a : f16
  // CHECK-NEXT:   asic.yield %b : f16
  // CHECK-NEXT: }
  %z = asic.elementwise(%y) {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<2x4xf16>) -> tensor<2x4xf16> {
  ^bb0(%a: f16):
    %b = math.exp %a : f16
    asic.yield %b : f16
  }

  // CHECK-NEXT: %kv = asic.kv_append %new into %cache {axis = 1 : i64, position = 7 : i64, role = "key", layer = 0 : i64} : tensor<2x1x4xf16> into tensor<2x8x4xf16> -> tensor<2x8x4xf16>
  %kv = asic.kv_append %new into %cache {axis = 1 : i64, position = 7 : i64, role = "key", layer = 0 : i64} : tensor<2x1x4xf16> into tensor<2x8x4xf16> -> tensor<2x8x4xf16>
  func.return %z : tensor<2x4xf16>
}
