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
