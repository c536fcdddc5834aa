// RUN: not asic-opt %s 2>&1 | filecheck %s

// CHECK: {{.*}}errors.mlir:5:{{.*}}error: {{.*}}contracted sizes differ: 3 and 4
func.func @main(%x: tensor<2x3xf16>, %w: tensor<4x3xf16>) {
  %y = asic.matmul %x, %w : tensor<2x3xf16>, tensor<4x3xf16> -> tensor<2x3xf16>
  func.return
}
