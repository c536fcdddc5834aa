// RUN: asic-opt %s --split-input-file --convert-linalg-to-asic | filecheck %s

// A conversion to a wider type moves into every reader: they read the narrow tensor.

// CHECK-LABEL: func.func @two_readers(%x: tensor<4x6xf16>) -> (tensor<4x6xf32>, tensor<4x6xf32>) {
// CHECK-NEXT:   %[[V1:.*]] = asic.elementwise(%x) {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<4x6xf16>) -> tensor<4x6xf32> {
// CHECK-NEXT:   ^bb0(%[[V2:.*]]: f16):
// CHECK-NEXT:     %[[V3:.*]] = arith.extf %[[V2]] : f16 to f32
// CHECK-NEXT:     %[[V4:.*]] = arith.mulf %[[V3]], %[[V3]] : f32
// CHECK-NEXT:     asic.yield %[[V4]] : f32
// CHECK-NEXT:   }
// CHECK-NEXT:   %[[V5:.*]] = asic.elementwise(%x) {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<4x6xf16>) -> tensor<4x6xf32> {
// CHECK-NEXT:   ^bb0(%[[V6:.*]]: f16):
// CHECK-NEXT:     %[[V7:.*]] = arith.extf %[[V6]] : f16 to f32
// CHECK-NEXT:     %[[V8:.*]] = arith.negf %[[V7]] : f32
// CHECK-NEXT:     asic.yield %[[V8]] : f32
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return %[[V1]], %[[V5]] : tensor<4x6xf32>, tensor<4x6xf32>
// CHECK-NEXT: }
func.func @two_readers(%x: tensor<4x6xf16>) -> (tensor<4x6xf32>, tensor<4x6xf32>) {
  %e = tensor.empty() : tensor<4x6xf32>
  %w = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<4x6xf16>) outs(%e : tensor<4x6xf32>) {
  ^bb0(%a: f16, %o: f32):
    %y = arith.extf %a : f16 to f32
    linalg.yield %y : f32
  } -> tensor<4x6xf32>
  %p = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%w : tensor<4x6xf32>) outs(%e : tensor<4x6xf32>) {
  ^bb1(%a1: f32, %o1: f32):
    %y1 = arith.mulf %a1, %a1 : f32
    linalg.yield %y1 : f32
  } -> tensor<4x6xf32>
  %q = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%w : tensor<4x6xf32>) outs(%e : tensor<4x6xf32>) {
  ^bb2(%a2: f32, %o2: f32):
    %y2 = arith.negf %a2 : f32
    linalg.yield %y2 : f32
  } -> tensor<4x6xf32>
  func.return %p, %q : tensor<4x6xf32>, tensor<4x6xf32>
}

// -----

// CHECK-LABEL: func.func @is_returned(%x: tensor<4x6xf16>) -> tensor<4x6xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.elementwise(%x) {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<4x6xf16>) -> tensor<4x6xf32> {
// CHECK-NEXT:   ^bb0(%[[V2:.*]]: f16):
// CHECK-NEXT:     %[[V3:.*]] = arith.extf %[[V2]] : f16 to f32
// CHECK-NEXT:     asic.yield %[[V3]] : f32
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return %[[V1]] : tensor<4x6xf32>
// CHECK-NEXT: }
func.func @is_returned(%x: tensor<4x6xf16>) -> tensor<4x6xf32> {
  %e = tensor.empty() : tensor<4x6xf32>
  %w = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<4x6xf16>) outs(%e : tensor<4x6xf32>) {
  ^bb0(%a: f16, %o: f32):
    %y = arith.extf %a : f16 to f32
    linalg.yield %y : f32
  } -> tensor<4x6xf32>
  func.return %w : tensor<4x6xf32>
}
