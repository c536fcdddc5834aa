// RUN: asic-opt %s --split-input-file --convert-linalg-to-asic | filecheck %s

// A product whose accumulator starts at a bias adds it afterwards; zeros add nothing.

// CHECK-LABEL: func.func @bias(%a: tensor<3x4xf32>, %b: tensor<4x5xf32>, %c: tensor<5xf32>) -> tensor<3x5xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.matmul %a, %b : tensor<3x4xf32>, tensor<4x5xf32> -> tensor<3x5xf32>
// CHECK-NEXT:   %[[V2:.*]] = asic.elementwise(%[[V1]], %c) {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>]} : (tensor<3x5xf32>, tensor<5xf32>) -> tensor<3x5xf32> {
// CHECK-NEXT:   ^bb0(%[[V3:.*]]: f32, %[[V4:.*]]: f32):
// CHECK-NEXT:     %[[V5:.*]] = arith.addf %[[V3]], %[[V4]] : f32
// CHECK-NEXT:     asic.yield %[[V5]] : f32
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return %[[V2]] : tensor<3x5xf32>
// CHECK-NEXT: }
func.func @bias(%a: tensor<3x4xf32>, %b: tensor<4x5xf32>, %c: tensor<5xf32>) -> tensor<3x5xf32> {
  %e = tensor.empty() : tensor<3x5xf32>
  %f = linalg.broadcast ins(%c : tensor<5xf32>) outs(%e : tensor<3x5xf32>) dimensions = [0]
  %r = linalg.matmul ins(%a, %b : tensor<3x4xf32>, tensor<4x5xf32>) outs(%f : tensor<3x5xf32>) -> tensor<3x5xf32>
  func.return %r : tensor<3x5xf32>
}

// -----

// CHECK-LABEL: func.func @zeros(%a: tensor<3x4xf32>, %b: tensor<4x5xf32>) -> tensor<3x5xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.matmul %a, %b : tensor<3x4xf32>, tensor<4x5xf32> -> tensor<3x5xf32>
// CHECK-NEXT:   func.return %[[V1]] : tensor<3x5xf32>
// CHECK-NEXT: }
func.func @zeros(%a: tensor<3x4xf32>, %b: tensor<4x5xf32>) -> tensor<3x5xf32> {
  %f = arith.constant dense<0.0> : tensor<3x5xf32>
  %r = linalg.matmul ins(%a, %b : tensor<3x4xf32>, tensor<4x5xf32>) outs(%f : tensor<3x5xf32>) -> tensor<3x5xf32>
  func.return %r : tensor<3x5xf32>
}
