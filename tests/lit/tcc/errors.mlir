// What a program gets wrong is said with its place.
// RUN: not asic-opt %s --split-input-file 2>&1 | filecheck %s

// CHECK: error: {{.*}}tcc.load: @nothing is not a tcc.weight or tcc.cache of the module
tcc.program @p class = 0 stage = 0 period = 9 on [#asic.region<offset = [0, 0], size = [1, 1]>] {
  %w = tcc.load @nothing op = 0 : !tcc.buffer<8xf16>
}

// -----

// CHECK: error: {{.*}}op must not be negative
tcc.weight @w bits = 16 value = dense_resource<w> : tensor<8xf16>
tcc.program @p class = 0 stage = 0 period = 9 on [#asic.region<offset = [0, 0], size = [1, 1]>] {
  %w = tcc.load @w op = -1 : !tcc.buffer<8xf16>
}

// -----

// CHECK: error: {{.*}}1 buffers need an address each, got [0, 32]
tcc.channel @in to <offset = [0, 0], size = [1, 1]> host "x" : tensor<8xf16>
tcc.program @p class = 0 stage = 0 period = 9 on [#asic.region<offset = [0, 0], size = [1, 1]>] {
  %t, %x = tcc.receive @in bytes = 16 op = 0 addr [0, 32] : !tcc.buffer<8xf16>
}

// -----

// CHECK: error: {{.*}}2 parts at a stride of 2 for 2 tiles
tcc.kernel @k over [8] reduced = 0 maps [affine_map<(d0) -> (d0)>] {
^bb0(%a: f16):
  tcc.yield %a : f16
}
tcc.channel @in to <offset = [0, 0], size = [2, 1]> host "x" : tensor<8xf16>
tcc.program @p class = 0 stage = 0 period = 9 on [#asic.region<offset = [0, 0], size = [2, 1]>] {
  %t, %x = tcc.receive @in bytes = 16 op = 0 : !tcc.buffer<8xf16>
  tcc.wait %t op = 0
  %y = tcc.vector @k(%x) over [1, 1, 8] cut <b = 1, m = 1, n = 2, k = 1, at = [0, 0, 2, 1], first = 0, stride = 2> op = 0 : (!tcc.buffer<8xf16>) -> (!tcc.buffer<8xf16>)
}
