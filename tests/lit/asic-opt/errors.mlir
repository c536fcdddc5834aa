// Every part reports, with the line of the file, and the exit code is not 0.
// RUN: not asic-opt %s --split-input-file 2>&1 | filecheck %s

// CHECK-NOT: Traceback
// CHECK: errors.mlir:8:8: error: Operation arith.addx is not registered
// CHECK: note: --allow-unregistered-dialect
func.func @unknown_operation(%a: i32) -> i32 {
  %b = arith.addx %a, %a : i32
  func.return %b : i32
}

// -----

// CHECK: errors.mlir:16:3: error: 'func.return':
func.func @wrong_result(%a: i32) -> i64 {
  func.return %a : i32
}

// -----

// CHECK: model.py:7:3: error: 'func.return':
func.func @location_of_the_model(%a: i32) -> i64 {
  func.return %a : i32 loc("model.py":7:3)
}

// -----

// CHECK: errors.mlir:31:19: error: values used but not defined
func.func @undefined() {
  // A use without a definition.
  %b = arith.addi %missing, %missing : i32
  func.return
}
