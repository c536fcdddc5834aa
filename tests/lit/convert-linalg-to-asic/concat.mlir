// RUN: asic-opt %s --split-input-file --convert-linalg-to-asic | filecheck %s

// Pieces side by side, and a piece within another tensor; one piece alone is itself.

// CHECK-LABEL: func.func @pieces(%a: tensor<2x3xf16>, %b: tensor<2x4xf16>) -> tensor<2x7xf16> {
// CHECK-NEXT:   %[[V1:.*]] = asic.concat(%a, %b) {dim = 1 : i64, sizes = array<i64: 3, 4>, indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<2x3xf16>, tensor<2x4xf16>) -> tensor<2x7xf16>
// CHECK-NEXT:   func.return %[[V1]] : tensor<2x7xf16>
// CHECK-NEXT: }
func.func @pieces(%a: tensor<2x3xf16>, %b: tensor<2x4xf16>) -> tensor<2x7xf16> {
  %r = tensor.concat dim(1) %a, %b : (tensor<2x3xf16>, tensor<2x4xf16>) -> tensor<2x7xf16>
  func.return %r : tensor<2x7xf16>
}

// -----

// CHECK-LABEL: func.func @a_piece_within(%a: tensor<2x1xf16>, %b: tensor<2x5xf16>) -> tensor<2x5xf16> {
// CHECK-NEXT:   %[[V1:.*]] = asic.elementwise(%b) {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<2x5xf16>) -> tensor<2x5xf16> {
// CHECK-NEXT:   ^bb0(%[[V2:.*]]: f16):
// CHECK-NEXT:     %[[V3:.*]] = arith.addf %[[V2]], %[[V2]] : f16
// CHECK-NEXT:     asic.yield %[[V3]] : f16
// CHECK-NEXT:   }
// CHECK-NEXT:   %[[V4:.*]] = asic.concat(%[[V1]], %a, %[[V1]]) {dim = 1 : i64, sizes = array<i64: 2, 1, 2>, indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, 0)>, affine_map<(d0, d1) -> (d0, (d1 + 3))>]} : (tensor<2x5xf16>, tensor<2x1xf16>, tensor<2x5xf16>) -> tensor<2x5xf16>
// CHECK-NEXT:   func.return %[[V4]] : tensor<2x5xf16>
// CHECK-NEXT: }
func.func @a_piece_within(%a: tensor<2x1xf16>, %b: tensor<2x5xf16>) -> tensor<2x5xf16> {
  %e = tensor.empty() : tensor<2x5xf16>
  %d = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%b : tensor<2x5xf16>) outs(%e : tensor<2x5xf16>) {
  ^bb0(%x: f16, %o: f16):
    %y = arith.addf %x, %x : f16
    linalg.yield %y : f16
  } -> tensor<2x5xf16>
  %r = tensor.insert_slice %a into %d[0, 2] [2, 1] [1, 1] : tensor<2x1xf16> into tensor<2x5xf16>
  func.return %r : tensor<2x5xf16>
}

// -----

// CHECK-LABEL: func.func @one_piece(%a: tensor<2x3xf16>) -> tensor<2x3xf16> {
// CHECK-NEXT:   %[[V1:.*]] = asic.layout %a affine_map<(d0, d1) -> (d0, d1)> : tensor<2x3xf16> -> tensor<2x3xf16>
// CHECK-NEXT:   func.return %[[V1]] : tensor<2x3xf16>
// CHECK-NEXT: }
func.func @one_piece(%a: tensor<2x3xf16>) -> tensor<2x3xf16> {
  %r = tensor.concat dim(1) %a : (tensor<2x3xf16>) -> tensor<2x3xf16>
  func.return %r : tensor<2x3xf16>
}

// -----

// CHECK-LABEL: func.func @all_is_replaced(%a: tensor<2x5xf16>, %b: tensor<2x5xf16>) -> tensor<2x5xf16> {
// CHECK-NEXT:   %[[V1:.*]] = asic.layout %a affine_map<(d0, d1) -> (d0, d1)> : tensor<2x5xf16> -> tensor<2x5xf16>
// CHECK-NEXT:   func.return %[[V1]] : tensor<2x5xf16>
// CHECK-NEXT: }
func.func @all_is_replaced(%a: tensor<2x5xf16>, %b: tensor<2x5xf16>) -> tensor<2x5xf16> {
  %r = tensor.insert_slice %a into %b[0, 0] [2, 5] [1, 1] : tensor<2x5xf16> into tensor<2x5xf16>
  func.return %r : tensor<2x5xf16>
}
