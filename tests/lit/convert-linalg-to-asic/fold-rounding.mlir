// RUN: asic-opt %s --split-input-file --convert-linalg-to-asic | filecheck %s

// A rounding of a product is the product's own, unless the wide result is read as well.

// CHECK-LABEL: func.func @rounded(%a: tensor<3x4xf16>, %b: tensor<4x5xf16>) -> tensor<3x5xf16> {
// CHECK-NEXT:   %[[V1:.*]] = asic.matmul %a, %b : tensor<3x4xf16>, tensor<4x5xf16> -> tensor<3x5xf16>
// CHECK-NEXT:   func.return %[[V1]] : tensor<3x5xf16>
// CHECK-NEXT: }
func.func @rounded(%a: tensor<3x4xf16>, %b: tensor<4x5xf16>) -> tensor<3x5xf16> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<3x5xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<3x5xf32>) -> tensor<3x5xf32>
  %m = "linalg.matmul"(%a, %b, %f) <{operandSegmentSizes = array<i32: 2, 1>}> ({
  ^bb0(%p: f16, %q: f16, %s: f32):
    %pw = arith.extf %p : f16 to f32
    %qw = arith.extf %q : f16 to f32
    %pq = arith.mulf %pw, %qw : f32
    %sum = arith.addf %s, %pq : f32
    linalg.yield %sum : f32
  }) : (tensor<3x4xf16>, tensor<4x5xf16>, tensor<3x5xf32>) -> tensor<3x5xf32>
  %e1 = tensor.empty() : tensor<3x5xf16>
  %r = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%m : tensor<3x5xf32>) outs(%e1 : tensor<3x5xf16>) {
  ^bb1(%x: f32, %o: f16):
    %y = arith.truncf %x : f32 to f16
    linalg.yield %y : f16
  } -> tensor<3x5xf16>
  func.return %r : tensor<3x5xf16>
}

// -----

// CHECK-LABEL: func.func @also_read_wide(%a: tensor<3x4xf16>, %b: tensor<4x5xf16>) -> (tensor<3x5xf16>, tensor<3x5xf32>) {
// CHECK-NEXT:   %[[V1:.*]] = asic.matmul %a, %b : tensor<3x4xf16>, tensor<4x5xf16> -> tensor<3x5xf32>
// CHECK-NEXT:   %[[V2:.*]] = asic.elementwise(%[[V1]]) {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<3x5xf32>) -> tensor<3x5xf16> {
// CHECK-NEXT:   ^bb0(%[[V3:.*]]: f32):
// CHECK-NEXT:     %[[V4:.*]] = arith.truncf %[[V3]] : f32 to f16
// CHECK-NEXT:     asic.yield %[[V4]] : f16
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return %[[V2]], %[[V1]] : tensor<3x5xf16>, tensor<3x5xf32>
// CHECK-NEXT: }
func.func @also_read_wide(%a: tensor<3x4xf16>, %b: tensor<4x5xf16>) -> (tensor<3x5xf16>, tensor<3x5xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<3x5xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<3x5xf32>) -> tensor<3x5xf32>
  %m = "linalg.matmul"(%a, %b, %f) <{operandSegmentSizes = array<i32: 2, 1>}> ({
  ^bb0(%p: f16, %q: f16, %s: f32):
    %pw = arith.extf %p : f16 to f32
    %qw = arith.extf %q : f16 to f32
    %pq = arith.mulf %pw, %qw : f32
    %sum = arith.addf %s, %pq : f32
    linalg.yield %sum : f32
  }) : (tensor<3x4xf16>, tensor<4x5xf16>, tensor<3x5xf32>) -> tensor<3x5xf32>
  %e1 = tensor.empty() : tensor<3x5xf16>
  %r = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%m : tensor<3x5xf32>) outs(%e1 : tensor<3x5xf16>) {
  ^bb1(%x: f32, %o: f16):
    %y = arith.truncf %x : f32 to f16
    linalg.yield %y : f16
  } -> tensor<3x5xf16>
  func.return %r, %m : tensor<3x5xf16>, tensor<3x5xf32>
}
