// Partial constraints: what is written obeys them, and what cannot be kept is answered at its column.
// RUN: asic-opt --rl-explore="evaluations=64 strategy=random seed=3 constraints='mesh = 4x2; sc = 2x1; stages = 1; dflit = 256; vdd = 0.6 V'" %s 2>%t.err | filecheck %s
// RUN: filecheck --check-prefix=SUMMARY %s < %t.err
// RUN: not asic-opt --rl-explore="constraints='vlen in 300..500'" %s 2>&1 | filecheck --check-prefix=GRID %s
// RUN: not asic-opt --rl-explore="constraints='mesh = 80x8'" %s 2>&1 | filecheck --check-prefix=RANGE %s
// RUN: not asic-opt --rl-explore="constraints='stages = 2; rows 3..5 only for nobody'" %s 2>&1 | filecheck --check-prefix=NOBODY %s
// RUN: not asic-opt --rl-explore="constraints='mesh = 3x3; stages = 2'" %s 2>&1 | filecheck --check-prefix=STAGES %s
// RUN: not asic-opt --rl-explore="constraints='dflit = 64 for matmul'" %s 2>&1 | filecheck --check-prefix=SCOPE %s
// RUN: not asic-opt --rl-explore="constraints='dies <= 2' dies=1" %s 2>&1 | filecheck --check-prefix=OPTION %s

// CHECK: asic.chip = #asic.chip<node = "3nm", mesh = [4, 2]
// CHECK-SAME: 256
// SUMMARY: chip {{.*}} 4 x 2 tiles in 1 stage(s)
// SUMMARY: clock and supply {{.*}} at 0.60 V
// SUMMARY: NoC {{.*}} 256 bit flits, 2 x 1 tiles a router
// SUMMARY: constraints mesh_width = 4; mesh_height = 2; sc_x = 2; sc_y = 1; stages = 1; dflit = 256; vdd = 0.6 V

// GRID: constraints:1:9: error: vlen: no value of it is allowed
// GRID: note: nearest: 256 and 512
// RANGE: constraints:1:8: error: mesh_width: 80x8 is outside its range
// NOBODY: constraints:1:13: error: no operator is called 'nobody'
// NOBODY: note: known: matmul, fc0
// STAGES: constraints:1:13: error: no number of stages keeps the constraints on stages and mesh
// SCOPE: constraints:1:1: error: 'dflit' is no property of a tile: it cannot be restricted to operators
// SCOPE: note: what can: fetch, stanum, vlen, rows
// OPTION: error: both the constraints and the option dies say what holds

#identity = affine_map<(d0, d1) -> (d0, d1)>
builtin.module attributes {asic.workload = {name = "mlp", phase = "inference", batch = 4 : i64, context = 0 : i64, tokens = 4 : i64}} {
  func.func @main(%x: tensor<4x64xf16> {asic.role = "activation", asic.name = "x"}) -> tensor<4x128xf16> {
    %w0 = arith.constant dense_resource<fc0.weight> : tensor<64x128xf16>
    %zero = arith.constant 0.000000e+00 : f32
    %e0 = tensor.empty() : tensor<4x128xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<4x128xf32>) -> tensor<4x128xf32>
    %h = linalg.matmul ins(%x, %w0 : tensor<4x64xf16>, tensor<64x128xf16>) outs(%f0 : tensor<4x128xf32>) -> tensor<4x128xf32>
    %e1 = tensor.empty() : tensor<4x128xf16>
    %r = linalg.generic {indexing_maps = [#identity, #identity], iterator_types = ["parallel", "parallel"]} ins(%h : tensor<4x128xf32>) outs(%e1 : tensor<4x128xf16>) {
    ^bb0(%in: f32, %out: f16):
      %t = arith.truncf %in : f32 to f16
      linalg.yield %t : f16
    } -> tensor<4x128xf16>
    func.return %r : tensor<4x128xf16>
  }
}
