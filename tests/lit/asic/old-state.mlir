// An append in place takes the old state away: the second product would read the new one.
// RUN: not asic-opt %s 2>&1 | filecheck %s

// CHECK: old-state.mlir:7:3: error: 'asic.kv_append': it overwrites a cache whose old state asic.matmul at {{.*}}old-state.mlir:10:3 needs: a copy with the new values (asic.concat) keeps both
func.func @main(%c: tensor<4x8xf32>, %x: tensor<1x8xf32>, %q: tensor<3x8xf32>)
    -> (tensor<3x4xf32>, tensor<3x4xf32>, tensor<4x8xf32>) {
  %n = asic.kv_append %x into %c {axis = 0 : i64, position = 3 : i64}
    : tensor<1x8xf32> into tensor<4x8xf32> -> tensor<4x8xf32>
  %new = asic.matmul %q, %n transpose_rhs : tensor<3x8xf32>, tensor<4x8xf32> -> tensor<3x4xf32>
  %old = asic.matmul %q, %c transpose_rhs : tensor<3x8xf32>, tensor<4x8xf32> -> tensor<3x4xf32>
  return %new, %old, %n : tensor<3x4xf32>, tensor<3x4xf32>, tensor<4x8xf32>
}
