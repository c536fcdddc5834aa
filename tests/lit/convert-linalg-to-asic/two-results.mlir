// RUN: asic-opt %s --split-input-file --convert-linalg-to-asic | filecheck %s

// A reduction may have two accumulators; one that nothing depends on goes.

// CHECK-LABEL: func.func @both(%x: tensor<4x6xf32>) -> (tensor<4xf32>, tensor<4xi64>) {
// CHECK-NEXT:   %[[V1:.*]], %[[V2:.*]] = asic.reduce(%x) starting() {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>], iteration = array<i64: 4, 6>, reduced = 1 : i64, init = [-1.000000e+00 : f32, 0 : i64]} : (tensor<4x6xf32>), () -> (tensor<4xf32>, tensor<4xi64>) {
// CHECK-NEXT:   ^bb0(%[[V3:.*]]: f32, %[[V4:.*]]: f32, %[[V5:.*]]: i64):
// CHECK-NEXT:     %[[V6:.*]] = asic.index 1 : index
// CHECK-NEXT:     %[[V7:.*]] = arith.index_cast %[[V6]] : index to i64
// CHECK-NEXT:     %[[V8:.*]] = arith.maximumf %[[V3]], %[[V4]] : f32
// CHECK-NEXT:     %[[V9:.*]] = arith.cmpf ogt, %[[V3]], %[[V4]] : f32
// CHECK-NEXT:     %[[V10:.*]] = arith.select %[[V9]], %[[V7]], %[[V5]] : i64
// CHECK-NEXT:     asic.yield %[[V8]], %[[V10]] : f32, i64
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return %[[V1]], %[[V2]] : tensor<4xf32>, tensor<4xi64>
// CHECK-NEXT: }
func.func @both(%x: tensor<4x6xf32>) -> (tensor<4xf32>, tensor<4xi64>) {
  %zero = arith.constant 0 : i64
  %low = arith.constant -1.0 : f32
  %e0 = tensor.empty() : tensor<4xf32>
  %e1 = tensor.empty() : tensor<4xi64>
  %f0 = linalg.fill ins(%low : f32) outs(%e0 : tensor<4xf32>) -> tensor<4xf32>
  %f1 = linalg.fill ins(%zero : i64) outs(%e1 : tensor<4xi64>) -> tensor<4xi64>
  %m, %i = linalg.generic {indexing_maps = [affine_map<(a, b) -> (a, b)>, affine_map<(a, b) -> (a)>, affine_map<(a, b) -> (a)>], iterator_types = ["parallel", "reduction"]} ins(%x : tensor<4x6xf32>) outs(%f0, %f1 : tensor<4xf32>, tensor<4xi64>) {
  ^bb0(%v: f32, %o: f32, %p: i64):
    %n = linalg.index 1 : index
    %k = arith.index_cast %n : index to i64
    %y = arith.maximumf %v, %o : f32
    %c = arith.cmpf ogt, %v, %o : f32
    %s = arith.select %c, %k, %p : i64
    linalg.yield %y, %s : f32, i64
  } -> tensor<4xf32>, tensor<4xi64>
  func.return %m, %i : tensor<4xf32>, tensor<4xi64>
}

// -----

// CHECK-LABEL: func.func @one(%x: tensor<4x6xf32>) -> tensor<4xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.reduce(%x) starting() {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>], iteration = array<i64: 4, 6>, reduced = 1 : i64, init = [-1.000000e+00 : f32]} : (tensor<4x6xf32>), () -> (tensor<4xf32>) {
// CHECK-NEXT:   ^bb0(%[[V2:.*]]: f32, %[[V3:.*]]: f32):
// CHECK-NEXT:     %[[V4:.*]] = arith.maximumf %[[V2]], %[[V3]] : f32
// CHECK-NEXT:     asic.yield %[[V4]] : f32
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return %[[V1]] : tensor<4xf32>
// CHECK-NEXT: }
func.func @one(%x: tensor<4x6xf32>) -> tensor<4xf32> {
  %zero = arith.constant 0 : i64
  %low = arith.constant -1.0 : f32
  %e0 = tensor.empty() : tensor<4xf32>
  %e1 = tensor.empty() : tensor<4xi64>
  %f0 = linalg.fill ins(%low : f32) outs(%e0 : tensor<4xf32>) -> tensor<4xf32>
  %f1 = linalg.fill ins(%zero : i64) outs(%e1 : tensor<4xi64>) -> tensor<4xi64>
  %m, %i = linalg.generic {indexing_maps = [affine_map<(a, b) -> (a, b)>, affine_map<(a, b) -> (a)>, affine_map<(a, b) -> (a)>], iterator_types = ["parallel", "reduction"]} ins(%x : tensor<4x6xf32>) outs(%f0, %f1 : tensor<4xf32>, tensor<4xi64>) {
  ^bb0(%v: f32, %o: f32, %p: i64):
    %n = linalg.index 1 : index
    %k = arith.index_cast %n : index to i64
    %y = arith.maximumf %v, %o : f32
    %c = arith.cmpf ogt, %v, %o : f32
    %s = arith.select %c, %k, %p : i64
    linalg.yield %y, %s : f32, i64
  } -> tensor<4xf32>, tensor<4xi64>
  func.return %m : tensor<4xf32>
}
