// What a module computes is looked at after every pass; what cannot be is told on stderr.
// RUN: asic-opt %s --split-input-file --verify-numerics=7 --convert-linalg-to-asic 2>&1 | filecheck %s

// CHECK: note: --verify-numerics: the input is not checked: a tensor of [32768, 16384] is too large to draw
// CHECK: note: --verify-numerics: what convert-linalg-to-asic writes is not checked
// CHECK: asic.elementwise
func.func @main(%a: tensor<4xf32>) -> tensor<4xf32> {
  %e = tensor.empty() : tensor<4xf32>
  %r = linalg.exp ins(%a : tensor<4xf32>) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  func.return %r : tensor<4xf32>
}
// -----
// CHECK: func.func @wide
func.func @wide(%a: tensor<32768x16384xf32>) -> tensor<32768x16384xf32> {
  %e = tensor.empty() : tensor<32768x16384xf32>
  %r = linalg.exp ins(%a : tensor<32768x16384xf32>) outs(%e : tensor<32768x16384xf32>) -> tensor<32768x16384xf32>
  func.return %r : tensor<32768x16384xf32>
}
