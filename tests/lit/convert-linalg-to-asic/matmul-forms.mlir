// RUN: asic-opt %s --split-input-file --convert-linalg-to-asic | filecheck %s

// A sum of products is a matrix product, by whatever name or loop nest it is written.

// CHECK-LABEL: func.func @plain(%a: tensor<3x4xf32>, %b: tensor<4x5xf32>) -> tensor<3x5xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.matmul %a, %b : tensor<3x4xf32>, tensor<4x5xf32> -> tensor<3x5xf32>
// CHECK-NEXT:   func.return %[[V1]] : tensor<3x5xf32>
// CHECK-NEXT: }
func.func @plain(%a: tensor<3x4xf32>, %b: tensor<4x5xf32>) -> tensor<3x5xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<3x5xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<3x5xf32>) -> tensor<3x5xf32>
  %r = linalg.matmul ins(%a, %b : tensor<3x4xf32>, tensor<4x5xf32>) outs(%f : tensor<3x5xf32>) -> tensor<3x5xf32>
  func.return %r : tensor<3x5xf32>
}

// -----

// CHECK-LABEL: func.func @vector_matrix(%a: tensor<4xf32>, %b: tensor<4x5xf32>) -> tensor<5xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.layout %a view affine_map<(d0, d1) -> (d1)> : tensor<4xf32> -> tensor<1x4xf32>
// CHECK-NEXT:   %[[V2:.*]] = asic.matmul %[[V1]], %b : tensor<1x4xf32>, tensor<4x5xf32> -> tensor<1x5xf32>
// CHECK-NEXT:   %[[V3:.*]] = asic.layout %[[V2]] view affine_map<(d0) -> (0, d0)> : tensor<1x5xf32> -> tensor<5xf32>
// CHECK-NEXT:   func.return %[[V3]] : tensor<5xf32>
// CHECK-NEXT: }
func.func @vector_matrix(%a: tensor<4xf32>, %b: tensor<4x5xf32>) -> tensor<5xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<5xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<5xf32>) -> tensor<5xf32>
  %r = linalg.vecmat ins(%a, %b : tensor<4xf32>, tensor<4x5xf32>) outs(%f : tensor<5xf32>) -> tensor<5xf32>
  func.return %r : tensor<5xf32>
}

// -----

// CHECK-LABEL: func.func @as_a_loop_nest(%a: tensor<3x4xf32>, %b: tensor<5x4xf32>) -> tensor<5x3xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.matmul %a, %b transpose_rhs : tensor<3x4xf32>, tensor<5x4xf32> -> tensor<3x5xf32>
// CHECK-NEXT:   %[[V2:.*]] = asic.layout %[[V1]] affine_map<(d0, d1) -> (d1, d0)> : tensor<3x5xf32> -> tensor<5x3xf32>
// CHECK-NEXT:   func.return %[[V2]] : tensor<5x3xf32>
// CHECK-NEXT: }
func.func @as_a_loop_nest(%a: tensor<3x4xf32>, %b: tensor<5x4xf32>) -> tensor<5x3xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<5x3xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<5x3xf32>) -> tensor<5x3xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(n, m, k) -> (m, k)>, affine_map<(n, m, k) -> (n, k)>, affine_map<(n, m, k) -> (n, m)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%a, %b : tensor<3x4xf32>, tensor<5x4xf32>) outs(%f : tensor<5x3xf32>) {
  ^bb0(%x: f32, %y: f32, %o: f32):
    %p = arith.mulf %y, %x : f32
    %s = arith.addf %p, %o : f32
    linalg.yield %s : f32
  } -> tensor<5x3xf32>
  func.return %r : tensor<5x3xf32>
}

// -----

// CHECK-LABEL: func.func @no_product(%a: tensor<3x4xf32>, %b: tensor<3x4xf32>) -> tensor<3xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.reduce(%a, %b) starting() {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>], iteration = array<i64: 3, 4>, reduced = 1 : i64, init = [0.000000e+00 : f32]} : (tensor<3x4xf32>, tensor<3x4xf32>), () -> (tensor<3xf32>) {
// CHECK-NEXT:   ^bb0(%[[V2:.*]]: f32, %[[V3:.*]]: f32, %[[V4:.*]]: f32):
// CHECK-NEXT:     %[[V5:.*]] = arith.subf %[[V2]], %[[V3]] : f32
// CHECK-NEXT:     %[[V6:.*]] = arith.addf %[[V4]], %[[V5]] : f32
// CHECK-NEXT:     asic.yield %[[V6]] : f32
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return %[[V1]] : tensor<3xf32>
// CHECK-NEXT: }
func.func @no_product(%a: tensor<3x4xf32>, %b: tensor<3x4xf32>) -> tensor<3xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<3xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<3xf32>) -> tensor<3xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (m)>], iterator_types = ["parallel", "reduction"]} ins(%a, %b : tensor<3x4xf32>, tensor<3x4xf32>) outs(%f : tensor<3xf32>) {
  ^bb0(%x: f32, %y: f32, %o: f32):
    %d = arith.subf %x, %y : f32
    %s = arith.addf %o, %d : f32
    linalg.yield %s : f32
  } -> tensor<3xf32>
  func.return %r : tensor<3xf32>
}
