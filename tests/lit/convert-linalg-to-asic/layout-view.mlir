// RUN: asic-opt %s --split-input-file --convert-linalg-to-asic | filecheck %s

// A reshape moves nothing: it is a view, and readers read through it.

// CHECK-LABEL: func.func @kept(%x: tensor<4x6xf32>) -> tensor<2x2x6xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.layout %x view affine_map<(d0, d1, d2) -> (((d0 * 2) + d1), d2)> : tensor<4x6xf32> -> tensor<2x2x6xf32>
// CHECK-NEXT:   %[[V2:.*]] = asic.layout %[[V1]] affine_map<(d0, d1, d2) -> (d0, d1, d2)> : tensor<2x2x6xf32> -> tensor<2x2x6xf32>
// CHECK-NEXT:   func.return %[[V2]] : tensor<2x2x6xf32>
// CHECK-NEXT: }
func.func @kept(%x: tensor<4x6xf32>) -> tensor<2x2x6xf32> {
  %r = tensor.expand_shape %x [[0, 1], [2]] output_shape [2, 2, 6] : tensor<4x6xf32> into tensor<2x2x6xf32>
  func.return %r : tensor<2x2x6xf32>
}

// -----

// CHECK-LABEL: func.func @read_through(%x: tensor<4x6xf32>) -> tensor<2x2x6xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.elementwise(%x) {indexing_maps = [affine_map<(d0, d1, d2) -> (((d0 * 2) + d1), d2)>]} : (tensor<4x6xf32>) -> tensor<2x2x6xf32> {
// CHECK-NEXT:   ^bb0(%[[V2:.*]]: f32):
// CHECK-NEXT:     %[[V3:.*]] = arith.addf %[[V2]], %[[V2]] : f32
// CHECK-NEXT:     asic.yield %[[V3]] : f32
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return %[[V1]] : tensor<2x2x6xf32>
// CHECK-NEXT: }
func.func @read_through(%x: tensor<4x6xf32>) -> tensor<2x2x6xf32> {
  %s = tensor.expand_shape %x [[0, 1], [2]] output_shape [2, 2, 6] : tensor<4x6xf32> into tensor<2x2x6xf32>
  %e = tensor.empty() : tensor<2x2x6xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(i, j, k) -> (i, j, k)>, affine_map<(i, j, k) -> (i, j, k)>], iterator_types = ["parallel", "parallel", "parallel"]} ins(%s : tensor<2x2x6xf32>) outs(%e : tensor<2x2x6xf32>) {
  ^bb0(%a: f32, %o: f32):
    %y = arith.addf %a, %a : f32
    linalg.yield %y : f32
  } -> tensor<2x2x6xf32>
  func.return %r : tensor<2x2x6xf32>
}

// -----

// CHECK-LABEL: func.func @there_and_back(%x: tensor<4x6xf32>) -> tensor<4x6xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.layout %x affine_map<(d0, d1) -> (d0, d1)> : tensor<4x6xf32> -> tensor<4x6xf32>
// CHECK-NEXT:   func.return %[[V1]] : tensor<4x6xf32>
// CHECK-NEXT: }
func.func @there_and_back(%x: tensor<4x6xf32>) -> tensor<4x6xf32> {
  %s = tensor.expand_shape %x [[0, 1], [2]] output_shape [2, 2, 6] : tensor<4x6xf32> into tensor<2x2x6xf32>
  %r = tensor.collapse_shape %s [[0, 1], [2]] : tensor<2x2x6xf32> into tensor<4x6xf32>
  func.return %r : tensor<4x6xf32>
}
