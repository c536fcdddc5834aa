// One function is one chip: several were designed as if only one of them were there.
// RUN: not asic-opt %s --convert-linalg-to-asic 2>&1 | filecheck %s
// RUN: not asic-opt %s --rl-explore 2>&1 | filecheck %s
// RUN: not asic-opt %s --asic-schedule 2>&1 | filecheck %s
// RUN: not asic-opt %s --convert-asic-to-tcc 2>&1 | filecheck %s
// RUN: not asic-translate %s --to-workload 2>&1 | filecheck %s

// CHECK: functions.mlir:14:1: error: the module has 2 functions: @main, @prefill
// CHECK-NEXT: note: one function is one chip: inline what it calls, {{.*}}--split-input-file
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

func.func @prefill(%x: tensor<8x4xf32>) -> tensor<8x4xf32> {
  return %x : tensor<8x4xf32>
}
