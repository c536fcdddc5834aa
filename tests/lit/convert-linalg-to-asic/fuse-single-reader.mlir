// RUN: asic-opt %s --split-input-file --convert-linalg-to-asic | filecheck %s

// An elementwise operator moves into its only reader; with two it stays.

// CHECK-LABEL: func.func @one_reader(%x: tensor<4x6xf32>) -> tensor<4x6xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.elementwise(%x) {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<4x6xf32>) -> tensor<4x6xf32> {
// CHECK-NEXT:   ^bb0(%[[V2:.*]]: f32):
// CHECK-NEXT:     %[[V3:.*]] = math.exp %[[V2]] : f32
// CHECK-NEXT:     %[[V4:.*]] = arith.mulf %[[V3]], %[[V3]] : f32
// CHECK-NEXT:     asic.yield %[[V4]] : f32
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return %[[V1]] : tensor<4x6xf32>
// CHECK-NEXT: }
func.func @one_reader(%x: tensor<4x6xf32>) -> tensor<4x6xf32> {
  %e = tensor.empty() : tensor<4x6xf32>
  %p = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<4x6xf32>) outs(%e : tensor<4x6xf32>) {
  ^bb0(%a: f32, %o: f32):
    %y = math.exp %a : f32
    linalg.yield %y : f32
  } -> tensor<4x6xf32>
  %q = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%p : tensor<4x6xf32>) outs(%e : tensor<4x6xf32>) {
  ^bb1(%a1: f32, %o1: f32):
    %y1 = arith.mulf %a1, %a1 : f32
    linalg.yield %y1 : f32
  } -> tensor<4x6xf32>
  func.return %q : tensor<4x6xf32>
}

// -----

// CHECK-LABEL: func.func @into_a_reduction(%x: tensor<4x6xf32>) -> tensor<4xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.reduce(%x) starting() {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>], iteration = array<i64: 4, 6>, reduced = 1 : i64, init = [0.000000e+00 : f32]} : (tensor<4x6xf32>), () -> (tensor<4xf32>) {
// CHECK-NEXT:   ^bb0(%[[V2:.*]]: f32, %[[V3:.*]]: f32):
// CHECK-NEXT:     %[[V4:.*]] = math.exp %[[V2]] : f32
// CHECK-NEXT:     %[[V5:.*]] = arith.addf %[[V3]], %[[V4]] : f32
// CHECK-NEXT:     asic.yield %[[V5]] : f32
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return %[[V1]] : tensor<4xf32>
// CHECK-NEXT: }
func.func @into_a_reduction(%x: tensor<4x6xf32>) -> tensor<4xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4x6xf32>
  %p = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<4x6xf32>) outs(%e : tensor<4x6xf32>) {
  ^bb0(%a: f32, %o: f32):
    %y = math.exp %a : f32
    linalg.yield %y : f32
  } -> tensor<4x6xf32>
  %e1 = tensor.empty() : tensor<4xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e1 : tensor<4xf32>) -> tensor<4xf32>
  %q = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>], iterator_types = ["parallel", "reduction"]} ins(%p : tensor<4x6xf32>) outs(%f : tensor<4xf32>) {
  ^bb1(%a1: f32, %o1: f32):
    %y1 = arith.addf %o1, %a1 : f32
    linalg.yield %y1 : f32
  } -> tensor<4xf32>
  func.return %q : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @two_readers(%x: tensor<4x6xf32>) -> (tensor<4x6xf32>, tensor<4x6xf32>) {
// CHECK-NEXT:   %[[V1:.*]] = asic.elementwise(%x) {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<4x6xf32>) -> tensor<4x6xf32> {
// CHECK-NEXT:   ^bb0(%[[V2:.*]]: f32):
// CHECK-NEXT:     %[[V3:.*]] = math.exp %[[V2]] : f32
// CHECK-NEXT:     asic.yield %[[V3]] : f32
// CHECK-NEXT:   }
// CHECK-NEXT:   %[[V4:.*]] = asic.elementwise(%[[V1]]) {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<4x6xf32>) -> tensor<4x6xf32> {
// CHECK-NEXT:   ^bb0(%[[V5:.*]]: f32):
// CHECK-NEXT:     %[[V6:.*]] = arith.mulf %[[V5]], %[[V5]] : f32
// CHECK-NEXT:     asic.yield %[[V6]] : f32
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return %[[V1]], %[[V4]] : tensor<4x6xf32>, tensor<4x6xf32>
// CHECK-NEXT: }
func.func @two_readers(%x: tensor<4x6xf32>) -> (tensor<4x6xf32>, tensor<4x6xf32>) {
  %e = tensor.empty() : tensor<4x6xf32>
  %p = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<4x6xf32>) outs(%e : tensor<4x6xf32>) {
  ^bb0(%a: f32, %o: f32):
    %y = math.exp %a : f32
    linalg.yield %y : f32
  } -> tensor<4x6xf32>
  %q = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%p : tensor<4x6xf32>) outs(%e : tensor<4x6xf32>) {
  ^bb1(%a1: f32, %o1: f32):
    %y1 = arith.mulf %a1, %a1 : f32
    linalg.yield %y1 : f32
  } -> tensor<4x6xf32>
  func.return %p, %q : tensor<4x6xf32>, tensor<4x6xf32>
}
