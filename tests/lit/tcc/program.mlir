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
// CHECK: tcc.weight @narrow bits = 8 value = dense_resource<narrow> : tensor<16x8xf16>
tcc.weight @narrow bits = 8 value = dense_resource<narrow> : tensor<16x8xf16>
// CHECK: tcc.channel @in to <offset = [0, 0], size = [2, 2]> host "x" : tensor<3x8xf16>
tcc.channel @in to <offset = [0, 0], size = [2, 2]> host "x" : tensor<3x8xf16>
// CHECK: tcc.channel @between from <offset = [0, 0], size = [2, 2]> to <offset = [0, 0], size = [2, 2]> : tensor<3x8xf16>
tcc.channel @between from <offset = [0, 0], size = [2, 2]> to <offset = [0, 0], size = [2, 2]> : tensor<3x8xf16>
// CHECK: tcc.channel @out from <offset = [0, 0], size = [2, 2]> host "y" : tensor<3x16xf16>
tcc.channel @out from <offset = [0, 0], size = [2, 2]> host "y" : tensor<3x16xf16>

// CHECK: tcc.program @all class = 0 stage = 0 period = 100 on [#asic.region<offset = [0, 0], size = [2, 2]>] {
// GENERIC: "tcc.program"
tcc.program @all class = 0 stage = 0 period = 100 on [#asic.region<offset = [0, 0], size = [2, 2]>] {
  // CHECK-NEXT: %[[T:.*]], %[[X:.*]] = tcc.receive @in bytes = 12 op = 0 at = -5 cycles = 3 addr [0] : !tcc.buffer<3x8xf16>
  %t, %x = tcc.receive @in bytes = 12 op = 0 at = -5 cycles = 3 addr [0] : !tcc.buffer<3x8xf16>
  // CHECK-NEXT: tcc.wait %[[T]] op = 0
  tcc.wait %t op = 0
  // CHECK-NEXT: %[[V:.*]] = tcc.vector @square(%[[X]]) over [1, 3, 8] cut <b = 1, m = 1, n = 2, k = 1, at = [0, 0, 2, 2], first = 0, stride = 2, rows_first = 1> op = 0 at = 0 cycles = 4 addr [32] : (!tcc.buffer<3x8xf16>) -> (!tcc.buffer<3x8xf16>)
  // GENERIC: "tcc.vector"
  %v = tcc.vector @square(%x) over [1, 3, 8] cut <b = 1, m = 1, n = 2, k = 1, at = [0, 0, 2, 2], first = 0, stride = 2, rows_first = 1> op = 0 at = 0 cycles = 4 addr [32] : (!tcc.buffer<3x8xf16>) -> (!tcc.buffer<3x8xf16>)
  // CHECK-NEXT: %[[S0:.*]] = tcc.multicast @between, %[[V]] piece [0, 2] bytes = 12 op = 1 : !tcc.buffer<3x8xf16>
  %s0 = tcc.multicast @between, %v piece [0, 2] bytes = 12 op = 1 : !tcc.buffer<3x8xf16>
  // CHECK-NEXT: %[[S1:.*]] = tcc.multicast @between, %[[V]] piece [1, 2] bytes = 12 op = 1 : !tcc.buffer<3x8xf16>
  %s1 = tcc.multicast @between, %v piece [1, 2] bytes = 12 op = 1 : !tcc.buffer<3x8xf16>
  // CHECK-NEXT: %[[T0:.*]], %[[X0:.*]] = tcc.receive @between piece [0, 2] bytes = 12 op = 1 addr [64] : !tcc.buffer<3x8xf16>
  %t0, %x0 = tcc.receive @between piece [0, 2] bytes = 12 op = 1 addr [64] : !tcc.buffer<3x8xf16>
  // CHECK-NEXT: %[[T1:.*]], %[[X1:.*]] = tcc.receive @between piece [1, 2] bytes = 12 op = 1 addr [96] : !tcc.buffer<3x8xf16>
  %t1, %x1 = tcc.receive @between piece [1, 2] bytes = 12 op = 1 addr [96] : !tcc.buffer<3x8xf16>
  // CHECK-NEXT: tcc.wait %[[S0]], %[[S1]], %[[T0]] op = 1
  tcc.wait %s0, %s1, %t0 op = 1
  // CHECK-NEXT: %[[P0:.*]] = tcc.mma %[[X0]], @up sizes [1, 3, 16, 8] piece [0, 2] cut <b = 1, m = 1, n = 2, k = 2, at = [0, 0, 2, 2], first = 0> op = 1 addr [128] : !tcc.buffer<3x8xf16> -> !tcc.buffer<3x16xf32>
  %p0 = tcc.mma %x0, @up sizes [1, 3, 16, 8] piece [0, 2] cut <b = 1, m = 1, n = 2, k = 2, at = [0, 0, 2, 2], first = 0> op = 1 addr [128] : !tcc.buffer<3x8xf16> -> !tcc.buffer<3x16xf32>
  tcc.wait %t1 op = 1
  // CHECK: %[[P:.*]] = tcc.mma %[[X1]], @up acc %[[P0]] : !tcc.buffer<3x16xf32> sizes [1, 3, 16, 8] piece [1, 2] cut <b = 1, m = 1, n = 2, k = 2, at = [0, 0, 2, 2], first = 0> op = 1 at = 4 cycles = 9 addr [128] : !tcc.buffer<3x8xf16> -> !tcc.buffer<3x16xf32>
  // GENERIC: "tcc.mma"
  %p = tcc.mma %x1, @up acc %p0 : !tcc.buffer<3x16xf32> sizes [1, 3, 16, 8] piece [1, 2] cut <b = 1, m = 1, n = 2, k = 2, at = [0, 0, 2, 2], first = 0> op = 1 at = 4 cycles = 9 addr [128] : !tcc.buffer<3x8xf16> -> !tcc.buffer<3x16xf32>
  // CHECK-NEXT: %[[U:.*]], %[[Y:.*]] = tcc.reduce %[[P]] with ["arith.addf"] along "k" scatter bytes = 96 cut <b = 1, m = 1, n = 2, k = 2, at = [0, 0, 2, 2], first = 0> op = 1 addr [256]
  %u, %y = tcc.reduce %p with ["arith.addf"] along "k" scatter bytes = 96 cut <b = 1, m = 1, n = 2, k = 2, at = [0, 0, 2, 2], first = 0> op = 1 addr [256] : !tcc.buffer<3x16xf32> -> !tcc.buffer<3x16xf16>
  tcc.wait %u op = 1
  // CHECK: tcc.mma %[[X]], @narrow sizes [1, 3, 16, 8] as "int8" cut <b = 1, m = 1, n = 4, k = 1, at = [0, 0, 2, 2], first = 0> op = 2 addr [512]
  %q = tcc.mma %x, @narrow sizes [1, 3, 16, 8] as "int8" cut <b = 1, m = 1, n = 4, k = 1, at = [0, 0, 2, 2], first = 0> op = 2 addr [512] : !tcc.buffer<3x8xf16> -> !tcc.buffer<3x16xf16>
  // CHECK: tcc.mma_dmem %[[X]], %[[X]] sizes [1, 3, 3, 8] as "bf16" cut <b = 1, m = 1, n = 3, k = 1, at = [0, 0, 2, 2], first = 0> op = 3 addr [768]
  %r = tcc.mma_dmem %x, %x sizes [1, 3, 3, 8] as "bf16" cut <b = 1, m = 1, n = 3, k = 1, at = [0, 0, 2, 2], first = 0> op = 3 addr [768] : !tcc.buffer<3x8xf16>, !tcc.buffer<3x8xf16> -> !tcc.buffer<3x3xf16>
  // CHECK: tcc.send @out, %[[Y]] bytes = 24 op = 1 : !tcc.buffer<3x16xf16>
  %s = tcc.send @out, %y bytes = 24 op = 1 : !tcc.buffer<3x16xf16>
  tcc.wait %s op = 1
}
