// RUN: asic-opt %s --split-input-file --convert-linalg-to-asic | filecheck %s

// What changes the order or the number of elements is a copy.

// CHECK-LABEL: func.func @transposed(%x: tensor<4x6xf32>) -> tensor<6x4xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.layout %x affine_map<(d0, d1) -> (d1, d0)> : tensor<4x6xf32> -> tensor<6x4xf32>
// CHECK-NEXT:   func.return %[[V1]] : tensor<6x4xf32>
// CHECK-NEXT: }
func.func @transposed(%x: tensor<4x6xf32>) -> tensor<6x4xf32> {
  %e = tensor.empty() : tensor<6x4xf32>
  %r = linalg.transpose ins(%x : tensor<4x6xf32>) outs(%e : tensor<6x4xf32>) permutation = [1, 0]
  func.return %r : tensor<6x4xf32>
}

// -----

// CHECK-LABEL: func.func @repeated(%x: tensor<4xf32>) -> tensor<4x3xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.layout %x affine_map<(d0, d1) -> (d0)> : tensor<4xf32> -> tensor<4x3xf32>
// CHECK-NEXT:   func.return %[[V1]] : tensor<4x3xf32>
// CHECK-NEXT: }
func.func @repeated(%x: tensor<4xf32>) -> tensor<4x3xf32> {
  %e = tensor.empty() : tensor<4x3xf32>
  %r = linalg.broadcast ins(%x : tensor<4xf32>) outs(%e : tensor<4x3xf32>) dimensions = [1]
  func.return %r : tensor<4x3xf32>
}

// -----

// CHECK-LABEL: func.func @cut(%x: tensor<4x6xf32>) -> tensor<4x2xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.layout %x affine_map<(d0, d1) -> (d0, ((d1 * 3) + 1))> : tensor<4x6xf32> -> tensor<4x2xf32>
// CHECK-NEXT:   func.return %[[V1]] : tensor<4x2xf32>
// CHECK-NEXT: }
func.func @cut(%x: tensor<4x6xf32>) -> tensor<4x2xf32> {
  %r = tensor.extract_slice %x[0, 1] [4, 2] [1, 3] : tensor<4x6xf32> to tensor<4x2xf32>
  func.return %r : tensor<4x2xf32>
}

// -----

// CHECK-LABEL: func.func @whole(%x: tensor<4x6xf32>) -> tensor<4x6xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.layout %x affine_map<(d0, d1) -> (d0, d1)> : tensor<4x6xf32> -> tensor<4x6xf32>
// CHECK-NEXT:   func.return %[[V1]] : tensor<4x6xf32>
// CHECK-NEXT: }
func.func @whole(%x: tensor<4x6xf32>) -> tensor<4x6xf32> {
  %r = tensor.extract_slice %x[0, 0] [4, 6] [1, 1] : tensor<4x6xf32> to tensor<4x6xf32>
  func.return %r : tensor<4x6xf32>
}

// -----

// CHECK-LABEL: func.func @twice(%x: tensor<4x6xf32>) -> tensor<4x6xf32> {
// CHECK-NEXT:   %[[V1:.*]] = asic.layout %x affine_map<(d0, d1) -> (d0, d1)> : tensor<4x6xf32> -> tensor<4x6xf32>
// CHECK-NEXT:   func.return %[[V1]] : tensor<4x6xf32>
// CHECK-NEXT: }
func.func @twice(%x: tensor<4x6xf32>) -> tensor<4x6xf32> {
  %e = tensor.empty() : tensor<6x4xf32>
  %t = linalg.transpose ins(%x : tensor<4x6xf32>) outs(%e : tensor<6x4xf32>) permutation = [1, 0]
  %e2 = tensor.empty() : tensor<4x6xf32>
  %r = linalg.transpose ins(%t : tensor<6x4xf32>) outs(%e2 : tensor<4x6xf32>) permutation = [1, 0]
  func.return %r : tensor<4x6xf32>
}
