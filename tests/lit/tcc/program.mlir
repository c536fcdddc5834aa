// A program reads back in pretty and in generic form, and upstream MLIR reads the generic one.
// RUN: asic-opt %s | filecheck %s
// RUN: asic-opt %s | asic-opt | filecheck %s
// RUN: asic-opt %s --print-op-generic | asic-opt | filecheck %s
// RUN: asic-opt %s --print-op-generic | torch-mlir-opt --allow-unregistered-dialect | filecheck %s --check-prefix=GENERIC

// CHECK: tcc.kernel @square over [3, 8] reduced = 0
// CHECK: tcc.yield
tcc.kernel @square over [3, 8] reduced = 0 maps [affine_map<(d0, d1) -> (d0, d1)>] {
^bb0(%a: f16):
  %b = arith.mulf %a, %a : f16
  tcc.yield %b : f16
}
// CHECK: tcc.weight @up bits = 16 value = dense_resource<up> : tensor<16x8xf16>
tcc.weight @up bits = 16 value = dense_resource<up> : tensor<16x8xf16>
// CHECK: tcc.channel @in to <offset = [0, 0], size = [2, 2]> host "x" : tensor<3x8xf16>
tcc.channel @in to <offset = [0, 0], size = [2, 2]> host "x" : tensor<3x8xf16>
// CHECK: tcc.channel @out from <offset = [0, 0], size = [2, 2]> host "y" : tensor<3x16xf16>
tcc.channel @out from <offset = [0, 0], size = [2, 2]> host "y" : tensor<3x16xf16>

// CHECK: tcc.program @all class = 0 stage = 0 period = 100 on [#asic.region<offset = [0, 0], size = [2, 2]>] {
// GENERIC: "tcc.program"
tcc.program @all class = 0 stage = 0 period = 100 on [#asic.region<offset = [0, 0], size = [2, 2]>] {
  // CHECK-NEXT: %[[T:.*]], %[[X:.*]] = tcc.receive @in bytes = 12 op = 0 at = -5 cycles = 3 : !tcc.buffer<3x8xf16>
  %t, %x = tcc.receive @in bytes = 12 op = 0 at = -5 cycles = 3 : !tcc.buffer<3x8xf16>
  // CHECK-NEXT: tcc.wait %[[T]] op = 0
  tcc.wait %t op = 0
  // CHECK-NEXT: %[[V:.*]] = tcc.vector @square(%[[X]]) cut <b = 1, m = 1, n = 4, k = 1, at = [0, 0, 2, 2], first = 0> op = 0 at = 0 cycles = 4 : (!tcc.buffer<3x8xf16>) -> (!tcc.buffer<3x8xf16>)
  // GENERIC: "tcc.vector"
  %v = tcc.vector @square(%x) cut <b = 1, m = 1, n = 4, k = 1, at = [0, 0, 2, 2], first = 0> op = 0 at = 0 cycles = 4 : (!tcc.buffer<3x8xf16>) -> (!tcc.buffer<3x8xf16>)
  // CHECK-NEXT: %[[P:.*]] = tcc.mma %[[V]], @up sizes [1, 3, 16, 8] cut <b = 1, m = 1, n = 2, k = 2, at = [0, 0, 2, 2], first = 0> op = 1 at = 4 cycles = 9 : !tcc.buffer<3x8xf16> -> !tcc.buffer<3x16xf32>
  %p = tcc.mma %v, @up sizes [1, 3, 16, 8] cut <b = 1, m = 1, n = 2, k = 2, at = [0, 0, 2, 2], first = 0> op = 1 at = 4 cycles = 9 : !tcc.buffer<3x8xf16> -> !tcc.buffer<3x16xf32>
  // CHECK-NEXT: %[[U:.*]], %[[Y:.*]] = tcc.reduce %[[P]] with ["arith.addf"] bytes = 96
  %u, %y = tcc.reduce %p with ["arith.addf"] bytes = 96 cut <b = 1, m = 1, n = 2, k = 2, at = [0, 0, 2, 2], first = 0> op = 1 : !tcc.buffer<3x16xf32> -> !tcc.buffer<3x16xf16>
  tcc.wait %u op = 1
  // CHECK: tcc.send @out, %[[Y]] bytes = 48 op = 1 : !tcc.buffer<3x16xf16>
  %s = tcc.send @out, %y bytes = 48 op = 1 : !tcc.buffer<3x16xf16>
  tcc.wait %s op = 1
}
