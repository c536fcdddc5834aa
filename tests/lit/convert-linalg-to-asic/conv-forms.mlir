// RUN: asic-opt %s --split-input-file --convert-linalg-to-asic | filecheck %s

// A convolution has channels first and weights by output channel: others are brought there.

// CHECK-LABEL: func.func @depthwise(%x: tensor<1x2x4x4xf32>, %w: tensor<2x3x3xf32>) -> tensor<1x2x2x2xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.layout %w view affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)> : tensor<2x3x3xf32> -> tensor<2x1x3x3xf32>
// CHECK-NEXT:   %[[V2:.*]] = asic.conv %x, %[[V1]] {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low_padding = array<i64: 0, 0>, high_padding = array<i64: 0, 0>, groups = 2 : i64} : tensor<1x2x4x4xf32>, tensor<2x1x3x3xf32> -> tensor<1x2x2x2xf32>
// CHECK-NEXT:   func.return %[[V2]] : tensor<1x2x2x2xf32>
// CHECK-NEXT: }
func.func @depthwise(%x: tensor<1x2x4x4xf32>, %w: tensor<2x3x3xf32>) -> tensor<1x2x2x2xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x2x2x2xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x2x2x2xf32>) -> tensor<1x2x2x2xf32>
  %r = "linalg.depthwise_conv_2d_nchw_chw"(%x, %w, %f) <{strides = dense<1> : tensor<2xi64>, dilations = dense<1> : tensor<2xi64>, operandSegmentSizes = array<i32: 2, 1>}> ({
  ^bb0(%p: f32, %q: f32, %s: f32):
    %m = arith.mulf %p, %q : f32
    %t = arith.addf %s, %m : f32
    linalg.yield %t : f32
  }) : (tensor<1x2x4x4xf32>, tensor<2x3x3xf32>, tensor<1x2x2x2xf32>) -> tensor<1x2x2x2xf32>
  func.return %r : tensor<1x2x2x2xf32>
}

// -----

// CHECK-LABEL: func.func @channels_last(%x: tensor<1x4x4x2xf32>, %w: tensor<3x3x2x5xf32>) -> tensor<1x2x2x5xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.layout %x affine_map<(d0, d1, d2, d3) -> (0, d2, d3, d1)> : tensor<1x4x4x2xf32> -> tensor<1x2x4x4xf32>
// CHECK-NEXT:   %[[V2:.*]] = asic.layout %w affine_map<(d0, d1, d2, d3) -> (d2, d3, d1, d0)> : tensor<3x3x2x5xf32> -> tensor<5x2x3x3xf32>
// CHECK-NEXT:   %[[V3:.*]] = asic.conv %[[V1]], %[[V2]] {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low_padding = array<i64: 0, 0>, high_padding = array<i64: 0, 0>, groups = 1 : i64} : tensor<1x2x4x4xf32>, tensor<5x2x3x3xf32> -> tensor<1x5x2x2xf32>
// CHECK-NEXT:   %[[V4:.*]] = asic.layout %[[V3]] affine_map<(d0, d1, d2, d3) -> (0, d3, d1, d2)> : tensor<1x5x2x2xf32> -> tensor<1x2x2x5xf32>
// CHECK-NEXT:   func.return %[[V4]] : tensor<1x2x2x5xf32>
// CHECK-NEXT: }
func.func @channels_last(%x: tensor<1x4x4x2xf32>, %w: tensor<3x3x2x5xf32>) -> tensor<1x2x2x5xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x2x2x5xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x2x2x5xf32>) -> tensor<1x2x2x5xf32>
  %r = "linalg.conv_2d_nhwc_hwcf"(%x, %w, %f) <{strides = dense<1> : tensor<2xi64>, dilations = dense<1> : tensor<2xi64>, operandSegmentSizes = array<i32: 2, 1>}> ({
  ^bb0(%p: f32, %q: f32, %s: f32):
    %m = arith.mulf %p, %q : f32
    %t = arith.addf %s, %m : f32
    linalg.yield %t : f32
  }) : (tensor<1x4x4x2xf32>, tensor<3x3x2x5xf32>, tensor<1x2x2x5xf32>) -> tensor<1x2x2x5xf32>
  func.return %r : tensor<1x2x2x5xf32>
}
