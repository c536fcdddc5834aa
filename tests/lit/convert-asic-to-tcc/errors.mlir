// RUN: not asic-opt %s --asic-schedule --convert-asic-to-tcc 2>&1 | filecheck %s

// Two columns cannot be cut in three. The programs were written, and their own verifier refused them.

// CHECK: errors.mlir:{{[0-9]+}}:{{[0-9]+}}: error: asic.matmul: its placement does not fit it: n of size 2 cannot be cut in 3
builtin.module attributes {asic.workload = {name = "mlp", phase = "inference", batch = 4 : i64, context = 0 : i64, tokens = 4 : i64}, asic.chip = #asic.chip<node = "3nm", mesh = [3, 10], super_cluster = [3, 4], clock_hz = 127901505.6614856, supply_v = 0.8, temperature_c = 85.0, flit_bits = 2, tiles = [#asic.tile<name = "stage0.matmul_general", fetch = 8, stations = 10, vlen = 1024, rows = 5, dmem_bytes = 249856, wmem_bytes = 16384, imem_bytes = 3072, xr_wp = 12, vr_wp = 8, xdpnum = 2, vdpnum = 10>, #asic.tile<name = "stage0.general", fetch = 5, stations = 10, vlen = 512, rows = 5, dmem_bytes = 249856, wmem_bytes = 0, imem_bytes = 3072, xr_wp = 12, vr_wp = 8, xdpnum = 2, vdpnum = 10>, #asic.tile<name = "stage1.matmul_general", fetch = 8, stations = 10, vlen = 1024, rows = 5, dmem_bytes = 249856, wmem_bytes = 16384, imem_bytes = 4096, xr_wp = 12, vr_wp = 8, xdpnum = 2, vdpnum = 10>, #asic.tile<name = "stage1.general", fetch = 5, stations = 10, vlen = 512, rows = 5, dmem_bytes = 249856, wmem_bytes = 0, imem_bytes = 4096, xr_wp = 12, vr_wp = 8, xdpnum = 2, vdpnum = 10>], map = [[0, 0, 0, 3, 1], [1, 0, 1, 3, 4], [2, 0, 5, 3, 1], [3, 0, 6, 3, 4]]>, asic.plan = #asic.plan<dies = 1, weight_bits = 16, kv_bits = 16, hop_cycles = 3, crossing_cycles = 10, crossing_rate = 16, period = 219.625, tiles = [[0, 65536, 1, 0, 1], [0, 65536, 0, 0, 1], [1, 65536, 1, 0, 1], [1, 65536, 0, 0, 1]]>} {
  func.func @main(%x: tensor<4x64xf16> {asic.role = "activation", asic.name = "x"}) -> tensor<4x10xf16> {
    %0 = asic.weight dense_resource<fc0.weight> : tensor<64x2xf16>
    %1 = asic.weight dense_resource<fc1.weight> : tensor<2x10xf16>
    %2 = asic.matmul %x, %0 {region = #asic.region<offset = [0, 0], size = [3, 1]>, split = #asic.split<m = 1, n = 3, k = 1>, stage = 0 : i64, placement = #asic.placement<kind = "matmul", first = 0, batch = 1, stride = 1, pieces = 1, by_rows = 0, buffers = 1, scatter = 0, cycles = 61.0>} : tensor<4x64xf16>, tensor<64x2xf16> -> tensor<4x2xf32>
    %3 = asic.elementwise(%2) {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>], region = #asic.region<offset = [0, 5], size = [3, 5]>, split = #asic.split<m = 4, n = 3, k = 1>, stage = 1 : i64, placement = #asic.placement<kind = "general", first = 0, batch = 1, stride = 1, pieces = 1, by_rows = 0, buffers = 1, scatter = 0, cycles = 70.0>} : (tensor<4x2xf32>) -> tensor<4x2xf16> {
    ^bb0(%4: f32):
      %5 = arith.truncf %4 : f32 to f16
      %6 = arith.constant 0.000000e+00 : f16
      %7 = arith.maximumf %5, %6 : f16
      asic.yield %7 : f16
    }
    %4 = asic.matmul %3, %1 {region = #asic.region<offset = [0, 5], size = [3, 1]>, split = #asic.split<m = 1, n = 3, k = 1>, stage = 1 : i64, placement = #asic.placement<kind = "matmul", first = 0, batch = 1, stride = 1, pieces = 1, by_rows = 0, buffers = 1, scatter = 0, cycles = 102.875>} : tensor<4x2xf16>, tensor<2x10xf16> -> tensor<4x10xf16>
    func.return %4 : tensor<4x10xf16>
  }
}
