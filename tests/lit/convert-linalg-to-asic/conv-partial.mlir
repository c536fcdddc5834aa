// RUN: asic-opt %s --split-input-file --convert-linalg-to-asic --verify-numerics | filecheck %s

// A result of fewer windows than the data has: what lies behind the last is never read. The
// convolution was written with sizes that its own verifier refused.

// CHECK-LABEL: func.func @of_the_data(
// CHECK-NEXT:   %[[D:.*]] = asic.layout %x affine_map<(d0, d1, d2, d3) -> (0, d1, d2, d3)> : tensor<1x2x6x6xf32> -> tensor<1x2x4x4xf32>
// CHECK:        asic.conv %[[D]]
func.func @of_the_data(%x: tensor<1x2x6x6xf32>, %w: tensor<3x2x3x3xf32>) -> tensor<1x3x2x2xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x3x2x2xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x3x2x2xf32>) -> tensor<1x3x2x2xf32>
  %r = linalg.conv_2d_nchw_fchw {strides = dense<1> : tensor<2xi64>, dilations = dense<1> : tensor<2xi64>} ins(%x, %w : tensor<1x2x6x6xf32>, tensor<3x2x3x3xf32>) outs(%f : tensor<1x3x2x2xf32>) -> tensor<1x3x2x2xf32>
  func.return %r : tensor<1x3x2x2xf32>
}

// -----

// Of the border too: only as much of it as is read.

// CHECK-LABEL: func.func @of_the_border(
// CHECK-NEXT:   asic.conv %x
// CHECK-SAME:   high_padding = array<i64: 0, 1>
func.func @of_the_border(%x: tensor<1x2x4x4xf32>, %w: tensor<3x2x3x3xf32>) -> tensor<1x3x3x4xf32> {
  %zero = arith.constant 0.0 : f32
  %p = tensor.pad %x low[0, 0, 1, 1] high[0, 0, 1, 1] {
  ^bb0(%i: index, %j: index, %k: index, %l: index):
    tensor.yield %zero : f32
  } : tensor<1x2x4x4xf32> to tensor<1x2x6x6xf32>
  %e = tensor.empty() : tensor<1x3x3x4xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x3x3x4xf32>) -> tensor<1x3x3x4xf32>
  %r = linalg.conv_2d_nchw_fchw ins(%p, %w : tensor<1x2x6x6xf32>, tensor<3x2x3x3xf32>) outs(%f : tensor<1x3x3x4xf32>) -> tensor<1x3x3x4xf32>
  func.return %r : tensor<1x3x3x4xf32>
}

// -----

// Channels last.

// CHECK-LABEL: func.func @channels_last(
// CHECK:        asic.conv
func.func @channels_last(%x: tensor<1x9x9x2xf32>, %w: tensor<3x3x2x4xf32>) -> tensor<1x3x2x4xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x3x2x4xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x3x2x4xf32>) -> tensor<1x3x2x4xf32>
  %r = linalg.conv_2d_nhwc_hwcf {strides = dense<2> : tensor<2xi64>} ins(%x, %w : tensor<1x9x9x2xf32>, tensor<3x3x2x4xf32>) outs(%f : tensor<1x3x2x4xf32>) -> tensor<1x3x2x4xf32>
  func.return %r : tensor<1x3x2x4xf32>
}
