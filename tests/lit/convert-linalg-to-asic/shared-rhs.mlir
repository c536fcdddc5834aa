// RUN: asic-opt %s --split-input-file --convert-linalg-to-asic | filecheck %s

// A right operand that is repeated for every batch is one matrix, read once.

// CHECK-LABEL: func.func @repeated(%a: tensor<2x3x4xf32>, %b: tensor<4x5xf32>) -> tensor<2x3x5xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.layout %a view affine_map<(d0, d1) -> ((d0 floordiv 3), (d0 mod 3), d1)> : tensor<2x3x4xf32> -> tensor<6x4xf32>
// CHECK-NEXT:   %[[V2:.*]] = asic.matmul %[[V1]], %b : tensor<6x4xf32>, tensor<4x5xf32> -> tensor<6x5xf32>
// CHECK-NEXT:   %[[V3:.*]] = asic.layout %[[V2]] view affine_map<(d0, d1, d2) -> (((d0 * 3) + d1), d2)> : tensor<6x5xf32> -> tensor<2x3x5xf32>
// CHECK-NEXT:   func.return %[[V3]] : tensor<2x3x5xf32>
// CHECK-NEXT: }
func.func @repeated(%a: tensor<2x3x4xf32>, %b: tensor<4x5xf32>) -> tensor<2x3x5xf32> {
  %zero = arith.constant 0.0 : f32
  %w0 = tensor.empty() : tensor<2x4x5xf32>
  %w = linalg.broadcast ins(%b : tensor<4x5xf32>) outs(%w0 : tensor<2x4x5xf32>) dimensions = [0]
  %e = tensor.empty() : tensor<2x3x5xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<2x3x5xf32>) -> tensor<2x3x5xf32>
  %r = linalg.batch_matmul ins(%a, %w : tensor<2x3x4xf32>, tensor<2x4x5xf32>) outs(%f : tensor<2x3x5xf32>) -> tensor<2x3x5xf32>
  func.return %r : tensor<2x3x5xf32>
}

// -----

// CHECK-LABEL: func.func @one_each(%a: tensor<2x3x4xf32>, %b: tensor<2x4x5xf32>) -> tensor<2x3x5xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.matmul %a, %b : tensor<2x3x4xf32>, tensor<2x4x5xf32> -> tensor<2x3x5xf32>
// CHECK-NEXT:   func.return %[[V1]] : tensor<2x3x5xf32>
// CHECK-NEXT: }
func.func @one_each(%a: tensor<2x3x4xf32>, %b: tensor<2x4x5xf32>) -> tensor<2x3x5xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<2x3x5xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<2x3x5xf32>) -> tensor<2x3x5xf32>
  %r = linalg.batch_matmul ins(%a, %b : tensor<2x3x4xf32>, tensor<2x4x5xf32>) outs(%f : tensor<2x3x5xf32>) -> tensor<2x3x5xf32>
  func.return %r : tensor<2x3x5xf32>
}
