// RUN: not asic-opt %s --allow-unregistered-dialect --convert-linalg-to-asic 2>&1 | filecheck %s

// All of them at once, each with its place.

// CHECK: {{.*}}unsupported.mlir:9:3: error: 2 operations have no asic form
// CHECK: note: foo.sort at {{.*}}unsupported.mlir:9:3: no asic operator corresponds to it
// CHECK: note: foo.unique at {{.*}}unsupported.mlir:10:3: no asic operator corresponds to it
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = "foo.sort"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %b = "foo.unique"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %e = tensor.empty() : tensor<4xf32>
  %r = linalg.add ins(%a, %b : tensor<4xf32>, tensor<4xf32>) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  func.return %r : tensor<4xf32>
}
