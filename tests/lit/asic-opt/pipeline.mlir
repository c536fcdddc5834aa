// Passes of xDSL run in the order of their -p arguments; what the driver says stays off stdout.
// RUN: asic-opt %s -p cse -p canonicalize,dce | filecheck %s
// RUN: asic-opt %s -p cse --time-passes 2>&1 >/dev/null | filecheck %s --check-prefix=TIME

// CHECK: func.func @twice
// CHECK-NEXT: %[[SUM:.*]] = arith.addi
// CHECK-NEXT: arith.muli %[[SUM]], %[[SUM]]
// CHECK-NOT: arith.addi
// TIME: cse: {{[0-9.]+}} s
func.func @twice(%a: i32) -> i32 {
  %b = arith.addi %a, %a : i32
  %c = arith.addi %a, %a : i32
  %d = arith.muli %b, %c : i32
  func.return %d : i32
}
