// RUN: asic-opt %s --split-input-file --convert-linalg-to-asic | filecheck %s

// A transpose of the right operand is read as it lies; one of the left is copied.

// CHECK-LABEL: func.func @rhs(%a: tensor<3x4xf32>, %b: tensor<5x4xf32>) -> tensor<3x5xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.matmul %a, %b transpose_rhs : tensor<3x4xf32>, tensor<5x4xf32> -> tensor<3x5xf32>
// CHECK-NEXT:   func.return %[[V1]] : tensor<3x5xf32>
// CHECK-NEXT: }
func.func @rhs(%a: tensor<3x4xf32>, %b: tensor<5x4xf32>) -> tensor<3x5xf32> {
  %zero = arith.constant 0.0 : f32
  %t0 = tensor.empty() : tensor<4x5xf32>
  %t = linalg.transpose ins(%b : tensor<5x4xf32>) outs(%t0 : tensor<4x5xf32>) permutation = [1, 0]
  %e = tensor.empty() : tensor<3x5xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<3x5xf32>) -> tensor<3x5xf32>
  %r = linalg.matmul ins(%a, %t : tensor<3x4xf32>, tensor<4x5xf32>) outs(%f : tensor<3x5xf32>) -> tensor<3x5xf32>
  func.return %r : tensor<3x5xf32>
}

// -----

// CHECK-LABEL: func.func @lhs(%a: tensor<4x3xf32>, %b: tensor<4x5xf32>) -> tensor<3x5xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.layout %a affine_map<(d0, d1) -> (d1, d0)> : tensor<4x3xf32> -> tensor<3x4xf32>
// CHECK-NEXT:   %[[V2:.*]] = asic.matmul %[[V1]], %b : tensor<3x4xf32>, tensor<4x5xf32> -> tensor<3x5xf32>
// CHECK-NEXT:   func.return %[[V2]] : tensor<3x5xf32>
// CHECK-NEXT: }
func.func @lhs(%a: tensor<4x3xf32>, %b: tensor<4x5xf32>) -> tensor<3x5xf32> {
  %zero = arith.constant 0.0 : f32
  %t0 = tensor.empty() : tensor<3x4xf32>
  %t = linalg.transpose ins(%a : tensor<4x3xf32>) outs(%t0 : tensor<3x4xf32>) permutation = [1, 0]
  %e = tensor.empty() : tensor<3x5xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<3x5xf32>) -> tensor<3x5xf32>
  %r = linalg.matmul ins(%t, %b : tensor<3x4xf32>, tensor<4x5xf32>) outs(%f : tensor<3x5xf32>) -> tensor<3x5xf32>
  func.return %r : tensor<3x5xf32>
}
