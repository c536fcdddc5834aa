// RUN: asic-opt %s --convert-linalg-to-asic | filecheck %s
// RUN: asic-opt %s --convert-linalg-to-asic --convert-linalg-to-asic | filecheck %s
// RUN: xdsl-opt %s -p convert-linalg-to-asic | filecheck %s

// A linear layer: the transpose of its weight costs nothing, the rounding is the product's own.

// CHECK:      func.func @main(%x: tensor<3x4xf16>) -> tensor<3x5xf16> {
// CHECK-NEXT:   %{{.*}} = asic.weight dense_resource<fc.weight> : tensor<5x4xf16>
// CHECK-NEXT:   %{{.*}} = asic.matmul %x, %{{.*}} transpose_rhs : tensor<3x4xf16>, tensor<5x4xf16> -> tensor<3x5xf16>
// CHECK-NEXT:   func.return %{{.*}} : tensor<3x5xf16>
// CHECK-NEXT: }
func.func @main(%x: tensor<3x4xf16>) -> tensor<3x5xf16> {
  %zero = arith.constant 0.0 : f32
  %w = arith.constant dense_resource<fc.weight> : tensor<5x4xf16>
  %e0 = tensor.empty() : tensor<4x5xf16>
  %t = linalg.transpose ins(%w : tensor<5x4xf16>) outs(%e0 : tensor<4x5xf16>) permutation = [1, 0]
  %e1 = tensor.empty() : tensor<3x5xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e1 : tensor<3x5xf32>) -> tensor<3x5xf32>
  %m = "linalg.matmul"(%x, %t, %f) <{operandSegmentSizes = array<i32: 2, 1>}> ({
  ^bb0(%p: f16, %q: f16, %s: f32):
    %pw = arith.extf %p : f16 to f32
    %qw = arith.extf %q : f16 to f32
    %pq = arith.mulf %pw, %qw : f32
    %sum = arith.addf %s, %pq : f32
    linalg.yield %sum : f32
  }) : (tensor<3x4xf16>, tensor<4x5xf16>, tensor<3x5xf32>) -> tensor<3x5xf32>
  %e2 = tensor.empty() : tensor<3x5xf16>
  %r = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%m : tensor<3x5xf32>) outs(%e2 : tensor<3x5xf16>) {
  ^bb1(%a: f32, %o: f16):
    %b = arith.truncf %a : f32 to f16
    linalg.yield %b : f16
  } -> tensor<3x5xf16>
  func.return %r : tensor<3x5xf16>
}
