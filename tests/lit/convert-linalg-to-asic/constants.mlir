// RUN: asic-opt %s --split-input-file --convert-linalg-to-asic | filecheck %s

// A resource is a weight, other tensors stay, and scalars are read inside of bodies.

// CHECK-LABEL: func.func @named(%x: tensor<2xf16>) -> tensor<2xf16> {
// CHECK-NEXT:   %[[V1:.*]] = asic.weight dense_resource<scale> : tensor<2xf16>
// CHECK-NEXT:   %[[V2:.*]] = asic.elementwise(%x, %[[V1]]) {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>]} : (tensor<2xf16>, tensor<2xf16>) -> tensor<2xf16> {
// CHECK-NEXT:   ^bb0(%[[V3:.*]]: f16, %[[V4:.*]]: f16):
// CHECK-NEXT:     %[[V5:.*]] = arith.mulf %[[V3]], %[[V4]] : f16
// CHECK-NEXT:     asic.yield %[[V5]] : f16
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return %[[V2]] : tensor<2xf16>
// CHECK-NEXT: }
func.func @named(%x: tensor<2xf16>) -> tensor<2xf16> {
  %w = arith.constant dense_resource<scale> : tensor<2xf16>
  %e = tensor.empty() : tensor<2xf16>
  %r = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]} ins(%x, %w : tensor<2xf16>, tensor<2xf16>) outs(%e : tensor<2xf16>) {
  ^bb0(%a: f16, %b: f16, %o: f16):
    %y = arith.mulf %a, %b : f16
    linalg.yield %y : f16
  } -> tensor<2xf16>
  func.return %r : tensor<2xf16>
}

// -----

// CHECK-LABEL: func.func @written_out() -> tensor<3xi64> {
// CHECK-NEXT:   %[[V1:.*]] = arith.constant dense<[1, 2, 4]> : tensor<3xi64>
// CHECK-NEXT:   %[[V2:.*]] = asic.layout %[[V1]] affine_map<(d0) -> (d0)> : tensor<3xi64> -> tensor<3xi64>
// CHECK-NEXT:   func.return %[[V2]] : tensor<3xi64>
// CHECK-NEXT: }
func.func @written_out() -> tensor<3xi64> {
  %c = arith.constant dense<[1, 2, 4]> : tensor<3xi64>
  func.return %c : tensor<3xi64>
}

// -----

// CHECK-LABEL: func.func @outside_of_the_body(%x: tensor<2xf16>) -> tensor<2xf16> {
// CHECK-NEXT:   %[[V1:.*]] = asic.elementwise(%x) {indexing_maps = [affine_map<(d0) -> (d0)>]} : (tensor<2xf16>) -> tensor<2xf16> {
// CHECK-NEXT:   ^bb0(%[[V2:.*]]: f16):
// CHECK-NEXT:     %[[V3:.*]] = arith.constant 5.000000e-01 : f16
// CHECK-NEXT:     %[[V4:.*]] = arith.mulf %[[V2]], %[[V3]] : f16
// CHECK-NEXT:     asic.yield %[[V4]] : f16
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return %[[V1]] : tensor<2xf16>
// CHECK-NEXT: }
func.func @outside_of_the_body(%x: tensor<2xf16>) -> tensor<2xf16> {
  %half = arith.constant 0.5 : f16
  %e = tensor.empty() : tensor<2xf16>
  %r = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]} ins(%x : tensor<2xf16>) outs(%e : tensor<2xf16>) {
  ^bb0(%a: f16, %o: f16):
    %y = arith.mulf %a, %half : f16
    linalg.yield %y : f16
  } -> tensor<2xf16>
  func.return %r : tensor<2xf16>
}
