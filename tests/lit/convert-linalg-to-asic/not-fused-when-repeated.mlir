// RUN: asic-opt %s --split-input-file --convert-linalg-to-asic | filecheck %s

// Work on four points is not repeated on 24; a constant costs nothing wherever it is.

// CHECK-LABEL: func.func @spread(%x: tensor<4xf32>, %b: tensor<4x6xf32>) -> tensor<4x6xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.elementwise(%x) {indexing_maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32> {
// CHECK-NEXT:   ^bb0(%[[V2:.*]]: f32):
// CHECK-NEXT:     %[[V3:.*]] = math.exp %[[V2]] : f32
// CHECK-NEXT:     asic.yield %[[V3]] : f32
// CHECK-NEXT:   }
// CHECK-NEXT:   %[[V4:.*]] = asic.elementwise(%[[V1]], %b) {indexing_maps = [affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<4xf32>, tensor<4x6xf32>) -> tensor<4x6xf32> {
// CHECK-NEXT:   ^bb0(%[[V5:.*]]: f32, %[[V6:.*]]: f32):
// CHECK-NEXT:     %[[V7:.*]] = arith.mulf %[[V5]], %[[V6]] : f32
// CHECK-NEXT:     asic.yield %[[V7]] : f32
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return %[[V4]] : tensor<4x6xf32>
// CHECK-NEXT: }
func.func @spread(%x: tensor<4xf32>, %b: tensor<4x6xf32>) -> tensor<4x6xf32> {
  %e0 = tensor.empty() : tensor<4xf32>
  %p = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]} ins(%x : tensor<4xf32>) outs(%e0 : tensor<4xf32>) {
  ^bb0(%a: f32, %o: f32):
    %y = math.exp %a : f32
    linalg.yield %y : f32
  } -> tensor<4xf32>
  %e = tensor.empty() : tensor<4x6xf32>
  %q = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%p, %b : tensor<4xf32>, tensor<4x6xf32>) outs(%e : tensor<4x6xf32>) {
  ^bb1(%a1: f32, %b1: f32, %o1: f32):
    %y1 = arith.mulf %a1, %b1 : f32
    linalg.yield %y1 : f32
  } -> tensor<4x6xf32>
  func.return %q : tensor<4x6xf32>
}

// -----

// CHECK-LABEL: func.func @spread_constant(%b: tensor<4x6xf32>) -> tensor<4x6xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.elementwise(%b) {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<4x6xf32>) -> tensor<4x6xf32> {
// CHECK-NEXT:   ^bb0(%[[V2:.*]]: f32):
// CHECK-NEXT:     %[[V3:.*]] = arith.constant 2.000000e+00 : f32
// CHECK-NEXT:     %[[V4:.*]] = arith.mulf %[[V3]], %[[V2]] : f32
// CHECK-NEXT:     asic.yield %[[V4]] : f32
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return %[[V1]] : tensor<4x6xf32>
// CHECK-NEXT: }
func.func @spread_constant(%b: tensor<4x6xf32>) -> tensor<4x6xf32> {
  %c = arith.constant dense<2.0> : tensor<4xf32>
  %e = tensor.empty() : tensor<4x6xf32>
  %q = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%c, %b : tensor<4xf32>, tensor<4x6xf32>) outs(%e : tensor<4x6xf32>) {
  ^bb1(%a1: f32, %b1: f32, %o1: f32):
    %y1 = arith.mulf %a1, %b1 : f32
    linalg.yield %y1 : f32
  } -> tensor<4x6xf32>
  func.return %q : tensor<4x6xf32>
}
