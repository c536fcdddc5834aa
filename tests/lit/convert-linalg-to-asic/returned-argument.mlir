// RUN: asic-opt %s --convert-linalg-to-asic | filecheck %s

// An argument that is returned is copied by an operator: a program computes what it returns.

// CHECK:      func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
// CHECK-NEXT:   %[[COPY:.*]] = asic.layout %x affine_map<(d0) -> (d0)> : tensor<4xf32> -> tensor<4xf32>
// CHECK-NEXT:   func.return %[[COPY]] : tensor<4xf32>
// CHECK-NEXT: }
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  func.return %x : tensor<4xf32>
}
