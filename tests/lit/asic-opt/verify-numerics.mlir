// What a module computes is looked at after every pass; what cannot be is told on stderr.
// RUN: asic-opt %s --split-input-file --verify-numerics=7 --convert-linalg-to-asic 2>&1 | filecheck %s

// CHECK: note: --verify-numerics: the input is not checked: tensor<?xf32> has no static shape
// CHECK: note: --verify-numerics: what convert-linalg-to-asic writes is not checked
// CHECK: asic.elementwise
func.func @main(%a: tensor<4xf32>) -> tensor<4xf32> {
  %e = tensor.empty() : tensor<4xf32>
  %r = linalg.exp ins(%a : tensor<4xf32>) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  func.return %r : tensor<4xf32>
}
// -----
// CHECK: func.func @dynamic
func.func @dynamic(%a: tensor<?xf32>) -> tensor<?xf32> {
  func.return %a : tensor<?xf32>
}
