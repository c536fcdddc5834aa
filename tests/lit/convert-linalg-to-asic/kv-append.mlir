// RUN: asic-opt %s --split-input-file --convert-linalg-to-asic | filecheck %s

// A slice written into a cache that a product reads: in place, with the argument's role and layer.

// CHECK-LABEL: func.func @cache(
// CHECK-NEXT:   %[[V1:.*]] = asic.kv_append %new into %old {axis = 1 : i64, position = 7 : i64, role = "key", layer = 5 : i64} : tensor<2x1x4xf16> into tensor<2x8x4xf16> -> tensor<2x8x4xf16>
// CHECK-NEXT:   %[[V2:.*]] = asic.matmul %q, %[[V1]] : tensor<2x3x8xf16>, tensor<2x8x4xf16> -> tensor<2x3x4xf32>
// CHECK-NEXT:   func.return %[[V2]], %[[V1]] : tensor<2x3x4xf32>, tensor<2x8x4xf16>
// CHECK-NEXT: }
func.func @cache(%q: tensor<2x3x8xf16>, %new: tensor<2x1x4xf16>, %old: tensor<2x8x4xf16> {asic.layer = 5 : i64, asic.role = "kv_key"}) -> (tensor<2x3x4xf32>, tensor<2x8x4xf16>) {
  %n = tensor.insert_slice %new into %old[0, 7, 0] [2, 1, 4] [1, 1, 1] : tensor<2x1x4xf16> into tensor<2x8x4xf16>
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<2x3x4xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %r = linalg.batch_matmul ins(%q, %n : tensor<2x3x8xf16>, tensor<2x8x4xf16>) outs(%f : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  func.return %r, %n : tensor<2x3x4xf32>, tensor<2x8x4xf16>
}

// -----

// Where the old state is read as well, it is kept: the new one is a tensor of its own.

// CHECK-LABEL: func.func @both_states(
// CHECK-NOT:    asic.kv_append
// CHECK:        %[[V1:.*]] = asic.concat(%old, %new)
// CHECK:        asic.matmul %q, %[[V1]]
// CHECK:        asic.matmul %q, %old
func.func @both_states(%q: tensor<2x3x8xf16>, %new: tensor<2x1x4xf16>, %old: tensor<2x8x4xf16> {asic.layer = 5 : i64, asic.role = "kv_key"}) -> (tensor<2x3x4xf32>, tensor<2x3x4xf32>, tensor<2x8x4xf16>) {
  %n = tensor.insert_slice %new into %old[0, 7, 0] [2, 1, 4] [1, 1, 1] : tensor<2x1x4xf16> into tensor<2x8x4xf16>
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<2x3x4xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %r = linalg.batch_matmul ins(%q, %n : tensor<2x3x8xf16>, tensor<2x8x4xf16>) outs(%f : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %s = linalg.batch_matmul ins(%q, %old : tensor<2x3x8xf16>, tensor<2x8x4xf16>) outs(%f : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  func.return %r, %s, %n : tensor<2x3x4xf32>, tensor<2x3x4xf32>, tensor<2x8x4xf16>
}
