// RUN: asic-opt %s --convert-linalg-to-asic | filecheck %s

// A slice written into a cache that the function returns: role and layer are the argument's.

// CHECK-LABEL: func.func @cache(%new: tensor<2x1x4xf16>, %old: tensor<2x8x4xf16> {asic.layer = 5 : i64, asic.role = "kv_key"}) -> tensor<2x8x4xf16> {
// CHECK-NEXT:   %[[V1:.*]] = asic.kv_append %new into %old {axis = 1 : i64, position = 7 : i64, role = "key", layer = 5 : i64} : tensor<2x1x4xf16> into tensor<2x8x4xf16> -> tensor<2x8x4xf16>
// CHECK-NEXT:   func.return %[[V1]] : tensor<2x8x4xf16>
// CHECK-NEXT: }
func.func @cache(%new: tensor<2x1x4xf16>, %old: tensor<2x8x4xf16> {asic.layer = 5 : i64, asic.role = "kv_key"}) -> tensor<2x8x4xf16> {
  %r = tensor.insert_slice %new into %old[0, 7, 0] [2, 1, 4] [1, 1, 1] : tensor<2x1x4xf16> into tensor<2x8x4xf16>
  func.return %r : tensor<2x8x4xf16>
}
