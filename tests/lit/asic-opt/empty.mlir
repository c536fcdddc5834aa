// A file with comments alone has no module.
// RUN: not asic-opt %s 2>&1 | filecheck %s
// CHECK: empty.mlir:1:1: error: empty input: expected a module
