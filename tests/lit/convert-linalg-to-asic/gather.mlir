// RUN: asic-opt %s --split-input-file --convert-linalg-to-asic | filecheck %s

// A row at a computed index is gathered; one at a constant index is a layout.

// CHECK-LABEL: func.func @rows(%table: tensor<10x4xf16>, %ids: tensor<3xi64>) -> tensor<3x4xf16> {
// CHECK-NEXT:   %[[V1:.*]] = asic.gather %table[%ids] : tensor<10x4xf16>, tensor<3xi64> -> tensor<3x4xf16>
// CHECK-NEXT:   func.return %[[V1]] : tensor<3x4xf16>
// CHECK-NEXT: }
func.func @rows(%table: tensor<10x4xf16>, %ids: tensor<3xi64>) -> tensor<3x4xf16> {
  %e = tensor.empty() : tensor<3x4xf16>
  %r = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%ids : tensor<3xi64>) outs(%e : tensor<3x4xf16>) {
  ^bb0(%id: i64, %o: f16):
    %row = arith.index_cast %id : i64 to index
    %column = linalg.index 1 : index
    %v = tensor.extract %table[%row, %column] : tensor<10x4xf16>
    linalg.yield %v : f16
  } -> tensor<3x4xf16>
  func.return %r : tensor<3x4xf16>
}

// -----

// CHECK-LABEL: func.func @constant_place(%table: tensor<10x4xf16>) -> tensor<4xf16> {
// CHECK-NEXT:   %[[V1:.*]] = asic.layout %table affine_map<(d0) -> (2, d0)> : tensor<10x4xf16> -> tensor<4xf16>
// CHECK-NEXT:   func.return %[[V1]] : tensor<4xf16>
// CHECK-NEXT: }
func.func @constant_place(%table: tensor<10x4xf16>) -> tensor<4xf16> {
  %e = tensor.empty() : tensor<4xf16>
  %two = arith.constant 2 : index
  %r = linalg.generic {indexing_maps = [affine_map<(j) -> (j)>], iterator_types = ["parallel"]} outs(%e : tensor<4xf16>) {
  ^bb0(%o: f16):
    %column = linalg.index 0 : index
    %v = tensor.extract %table[%two, %column] : tensor<10x4xf16>
    linalg.yield %v : f16
  } -> tensor<4xf16>
  func.return %r : tensor<4xf16>
}

// -----

// Nothing reads the computed table but the body that gathers from it. It was taken for unused.

// CHECK-LABEL: func.func @computed_table(
// CHECK-NEXT:   %[[T:.*]] = asic.elementwise(%x)
// CHECK:        %[[R:.*]] = asic.gather %[[T]][%ids] : tensor<10x4xf16>, tensor<3xi64> -> tensor<3x4xf16>
// CHECK-NEXT:   func.return %[[R]] : tensor<3x4xf16>
func.func @computed_table(%x: tensor<10x4xf16>, %ids: tensor<3xi64>) -> tensor<3x4xf16> {
  %t = tensor.empty() : tensor<10x4xf16>
  %table = linalg.exp ins(%x : tensor<10x4xf16>) outs(%t : tensor<10x4xf16>) -> tensor<10x4xf16>
  %e = tensor.empty() : tensor<3x4xf16>
  %r = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%ids : tensor<3xi64>) outs(%e : tensor<3x4xf16>) {
  ^bb0(%id: i64, %o: f16):
    %row = arith.index_cast %id : i64 to index
    %column = linalg.index 1 : index
    %v = tensor.extract %table[%row, %column] : tensor<10x4xf16>
    linalg.yield %v : f16
  } -> tensor<3x4xf16>
  func.return %r : tensor<3x4xf16>
}

// -----

// The same where the function returns the table too.

// CHECK-LABEL: func.func @computed_and_returned(
// CHECK-NEXT:   %[[T:.*]] = asic.elementwise(%x)
// CHECK:        %[[R:.*]] = asic.gather %[[T]][%ids] : tensor<10x4xf16>, tensor<3xi64> -> tensor<3x4xf16>
// CHECK-NEXT:   func.return %[[R]], %[[T]] : tensor<3x4xf16>, tensor<10x4xf16>
func.func @computed_and_returned(%x: tensor<10x4xf16>, %ids: tensor<3xi64>) -> (tensor<3x4xf16>, tensor<10x4xf16>) {
  %t = tensor.empty() : tensor<10x4xf16>
  %table = linalg.exp ins(%x : tensor<10x4xf16>) outs(%t : tensor<10x4xf16>) -> tensor<10x4xf16>
  %e = tensor.empty() : tensor<3x4xf16>
  %r = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%ids : tensor<3xi64>) outs(%e : tensor<3x4xf16>) {
  ^bb0(%id: i64, %o: f16):
    %row = arith.index_cast %id : i64 to index
    %column = linalg.index 1 : index
    %v = tensor.extract %table[%row, %column] : tensor<10x4xf16>
    linalg.yield %v : f16
  } -> tensor<3x4xf16>
  func.return %r, %table : tensor<3x4xf16>, tensor<10x4xf16>
}
