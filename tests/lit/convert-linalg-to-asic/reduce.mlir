// RUN: asic-opt %s --split-input-file --convert-linalg-to-asic | filecheck %s

// A reduction keeps its scalar body, its start, and folds its last loops.

// CHECK-LABEL: func.func @rows(%x: tensor<4x6xf32>) -> tensor<4xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.reduce(%x) starting() {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>], iteration = array<i64: 4, 6>, reduced = 1 : i64, init = [0.000000e+00 : f32]} : (tensor<4x6xf32>), () -> (tensor<4xf32>) {
// CHECK-NEXT:   ^bb0(%[[V2:.*]]: f32, %[[V3:.*]]: f32):
// CHECK-NEXT:     %[[V4:.*]] = arith.addf %[[V3]], %[[V2]] : f32
// CHECK-NEXT:     asic.yield %[[V4]] : f32
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return %[[V1]] : tensor<4xf32>
// CHECK-NEXT: }
func.func @rows(%x: tensor<4x6xf32>) -> tensor<4xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>], iterator_types = ["parallel", "reduction"]} ins(%x : tensor<4x6xf32>) outs(%f : tensor<4xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = arith.addf %o, %a : f32
    linalg.yield %s : f32
  } -> tensor<4xf32>
  func.return %r : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @columns(%x: tensor<4x6xf32>, %start: tensor<6xf32>) -> tensor<6xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.reduce(%x) starting(%start) {indexing_maps = [affine_map<(d0, d1) -> (d1, d0)>], iteration = array<i64: 6, 4>, reduced = 1 : i64} : (tensor<4x6xf32>), (tensor<6xf32>) -> (tensor<6xf32>) {
// CHECK-NEXT:   ^bb0(%[[V2:.*]]: f32, %[[V3:.*]]: f32):
// CHECK-NEXT:     %[[V4:.*]] = arith.maximumf %[[V2]], %[[V3]] : f32
// CHECK-NEXT:     asic.yield %[[V4]] : f32
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return %[[V1]] : tensor<6xf32>
// CHECK-NEXT: }
func.func @columns(%x: tensor<4x6xf32>, %start: tensor<6xf32>) -> tensor<6xf32> {
  %r = linalg.reduce ins(%x : tensor<4x6xf32>) outs(%start : tensor<6xf32>) dimensions = [0]
  (%a: f32, %o: f32) {
    %s = arith.maximumf %a, %o : f32
    linalg.yield %s : f32
  }
  func.return %r : tensor<6xf32>
}

// -----

// CHECK-LABEL: func.func @nothing_folds(%x: tensor<4x6xf32>) -> tensor<4x6xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.elementwise(%x) {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<4x6xf32>) -> tensor<4x6xf32> {
// CHECK-NEXT:   ^bb0(%[[V2:.*]]: f32):
// CHECK-NEXT:     %[[V3:.*]] = arith.addf %[[V2]], %[[V2]] : f32
// CHECK-NEXT:     asic.yield %[[V3]] : f32
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return %[[V1]] : tensor<4x6xf32>
// CHECK-NEXT: }
func.func @nothing_folds(%x: tensor<4x6xf32>) -> tensor<4x6xf32> {
  %e = tensor.empty() : tensor<4x6xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<4x6xf32>) outs(%e : tensor<4x6xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = arith.addf %a, %a : f32
    linalg.yield %s : f32
  } -> tensor<4x6xf32>
  func.return %r : tensor<4x6xf32>
}
