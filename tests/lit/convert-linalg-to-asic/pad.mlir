// RUN: asic-opt %s --split-input-file --convert-linalg-to-asic | filecheck %s

// A border of a constant is a pad; no border is nothing.

// CHECK-LABEL: func.func @border(%x: tensor<2x3xf16>) -> tensor<2x6xf16> {
// CHECK-NEXT:   %[[V1:.*]] = asic.pad %x {low = array<i64: 0, 1>, high = array<i64: 0, 2>, value = 1.000000e+00 : f16} : tensor<2x3xf16> -> tensor<2x6xf16>
// CHECK-NEXT:   func.return %[[V1]] : tensor<2x6xf16>
// CHECK-NEXT: }
func.func @border(%x: tensor<2x3xf16>) -> tensor<2x6xf16> {
  %one = arith.constant 1.0 : f16
  %r = tensor.pad %x low[0, 1] high[0, 2] {
  ^bb0(%i: index, %j: index):
    tensor.yield %one : f16
  } : tensor<2x3xf16> to tensor<2x6xf16>
  func.return %r : tensor<2x6xf16>
}

// -----

// CHECK-LABEL: func.func @no_border(%x: tensor<2x3xf16>) -> tensor<2x3xf16> {
// CHECK-NEXT:   %[[V1:.*]] = asic.layout %x affine_map<(d0, d1) -> (d0, d1)> : tensor<2x3xf16> -> tensor<2x3xf16>
// CHECK-NEXT:   func.return %[[V1]] : tensor<2x3xf16>
// CHECK-NEXT: }
func.func @no_border(%x: tensor<2x3xf16>) -> tensor<2x3xf16> {
  %one = arith.constant 1.0 : f16
  %r = tensor.pad %x low[0, 0] high[0, 0] {
  ^bb0(%i: index, %j: index):
    tensor.yield %one : f16
  } : tensor<2x3xf16> to tensor<2x3xf16>
  func.return %r : tensor<2x3xf16>
}
