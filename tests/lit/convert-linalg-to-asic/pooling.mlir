// RUN: asic-opt %s --split-input-file --convert-linalg-to-asic --allow-unregistered-dialect | filecheck %s

// A pooling is a reduction over windows: the map of its operand says which.
// xDSL registers the first of the two alone.

// CHECK-LABEL: func.func @max(%x: tensor<1x2x4x6xf32>) -> tensor<1x2x2x3xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.reduce(%x) starting() {indexing_maps = [affine_map<(d0, d1, d2, d3, d4, d5) -> (0, d1, ((d2 * 2) + d4), ((d3 * 2) + d5))>], iteration = array<i64: 1, 2, 2, 3, 2, 2>, reduced = 2 : i64, init = [-8.000000e+00 : f32]} : (tensor<1x2x4x6xf32>), () -> (tensor<1x2x2x3xf32>) {
// CHECK-NEXT:   ^bb0(%[[V2:.*]]: f32, %[[V3:.*]]: f32):
// CHECK-NEXT:     %[[V4:.*]] = arith.maximumf %[[V3]], %[[V2]] : f32
// CHECK-NEXT:     asic.yield %[[V4]] : f32
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return %[[V1]] : tensor<1x2x2x3xf32>
// CHECK-NEXT: }
func.func @max(%x: tensor<1x2x4x6xf32>) -> tensor<1x2x2x3xf32> {
  %low = arith.constant -8.0 : f32
  %k = tensor.empty() : tensor<2x2xf32>
  %e = tensor.empty() : tensor<1x2x2x3xf32>
  %f = linalg.fill ins(%low : f32) outs(%e : tensor<1x2x2x3xf32>) -> tensor<1x2x2x3xf32>
  %r = linalg.pooling_nchw_max {strides = dense<2> : tensor<2xi64>, dilations = dense<1> : tensor<2xi64>} ins(%x, %k : tensor<1x2x4x6xf32>, tensor<2x2xf32>) outs(%f : tensor<1x2x2x3xf32>) -> tensor<1x2x2x3xf32>
  func.return %r : tensor<1x2x2x3xf32>
}

// -----

// CHECK-LABEL: func.func @sum_channels_last(%x: tensor<1x5x2xf32>) -> tensor<1x3x2xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.reduce(%x) starting() {indexing_maps = [affine_map<(d0, d1, d2, d3) -> (0, (d1 + (d3 * 2)), d2)>], iteration = array<i64: 1, 3, 2, 2>, reduced = 1 : i64, init = [0.000000e+00 : f32]} : (tensor<1x5x2xf32>), () -> (tensor<1x3x2xf32>) {
// CHECK-NEXT:   ^bb0(%[[V2:.*]]: f32, %[[V3:.*]]: f32):
// CHECK-NEXT:     %[[V4:.*]] = arith.addf %[[V3]], %[[V2]] : f32
// CHECK-NEXT:     asic.yield %[[V4]] : f32
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return %[[V1]] : tensor<1x3x2xf32>
// CHECK-NEXT: }
func.func @sum_channels_last(%x: tensor<1x5x2xf32>) -> tensor<1x3x2xf32> {
  %zero = arith.constant 0.0 : f32
  %k = tensor.empty() : tensor<2xf32>
  %e = tensor.empty() : tensor<1x3x2xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x3x2xf32>) -> tensor<1x3x2xf32>
  %r = "linalg.pooling_nwc_sum"(%x, %k, %f) <{strides = dense<1> : tensor<1xi64>, dilations = dense<2> : tensor<1xi64>, operandSegmentSizes = array<i32: 2, 1>}> ({
  ^bb0(%p: f32, %q: f32, %s: f32):
    %t = arith.addf %s, %p : f32
    linalg.yield %t : f32
  }) : (tensor<1x5x2xf32>, tensor<2xf32>, tensor<1x3x2xf32>) -> tensor<1x3x2xf32>
  func.return %r : tensor<1x3x2xf32>
}
