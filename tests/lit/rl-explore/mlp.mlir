// From linalg to a chip in one command: the module gets the chip, every operator its place.
// RUN: asic-opt --rl-explore="evaluations=64 strategy=random seed=3" %s 2>%t.err | filecheck %s
// RUN: filecheck --check-prefix=SUMMARY %s < %t.err
// What it prints is read back and verified.
// RUN: asic-opt --rl-explore="evaluations=64 strategy=random seed=3 quiet=true" %s | asic-opt | filecheck %s
// On its own output nothing is left to raise; exploring again replaces the decisions.
// RUN: asic-opt --rl-explore="evaluations=64 strategy=random seed=3 quiet=true" %s | asic-opt --rl-explore="node=7nm evaluations=64 strategy=random quiet=true" | filecheck --check-prefix=AGAIN %s

// CHECK: asic.chip = #asic.chip<node = "3nm", mesh = [
// CHECK-NOT: linalg.
// CHECK: asic.matmul {{.*}}region = #asic.region<offset = [
// CHECK-SAME: size = [
// CHECK-SAME: split = #asic.split<m = {{[0-9]+}}, n = {{[0-9]+}}, k = {{[0-9]+}}>
// CHECK-SAME: stage = {{[0-9]+}}
// CHECK: asic.elementwise
// CHECK-SAME: region = #asic.region
// CHECK: asic.matmul {{.*}}region = #asic.region

// SUMMARY: pipeline: convert-linalg-to-asic,rl-explore{
// SUMMARY: chip {{.*}}3nm
// SUMMARY: throughput {{.*}}inferences/s

// AGAIN: asic.chip = #asic.chip<node = "7nm"
// AGAIN-NOT: node = "3nm"

#identity = affine_map<(d0, d1) -> (d0, d1)>
builtin.module attributes {asic.workload = {name = "mlp", phase = "inference", batch = 4 : i64, context = 0 : i64, tokens = 4 : i64}} {
  func.func @main(%x: tensor<4x64xf16> {asic.role = "activation", asic.name = "x"}) -> tensor<4x10xf16> {
    %w0 = arith.constant dense_resource<fc0.weight> : tensor<64x128xf16>
    %w1 = arith.constant dense_resource<fc1.weight> : tensor<128x10xf16>
    %zero = arith.constant 0.000000e+00 : f32
    %zero16 = arith.constant 0.000000e+00 : f16
    %e0 = tensor.empty() : tensor<4x128xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<4x128xf32>) -> tensor<4x128xf32>
    %h = linalg.matmul ins(%x, %w0 : tensor<4x64xf16>, tensor<64x128xf16>) outs(%f0 : tensor<4x128xf32>) -> tensor<4x128xf32>
    %e1 = tensor.empty() : tensor<4x128xf16>
    %r = linalg.generic {indexing_maps = [#identity, #identity], iterator_types = ["parallel", "parallel"]} ins(%h : tensor<4x128xf32>) outs(%e1 : tensor<4x128xf16>) {
    ^bb0(%in: f32, %out: f16):
      %t = arith.truncf %in : f32 to f16
      %m = arith.maximumf %t, %zero16 : f16
      linalg.yield %m : f16
    } -> tensor<4x128xf16>
    %e2 = tensor.empty() : tensor<4x10xf32>
    %f2 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<4x10xf32>) -> tensor<4x10xf32>
    %y = linalg.matmul ins(%r, %w1 : tensor<4x128xf16>, tensor<128x10xf16>) outs(%f2 : tensor<4x10xf32>) -> tensor<4x10xf32>
    %e3 = tensor.empty() : tensor<4x10xf16>
    %o = linalg.generic {indexing_maps = [#identity, #identity], iterator_types = ["parallel", "parallel"]} ins(%y : tensor<4x10xf32>) outs(%e3 : tensor<4x10xf16>) {
    ^bb0(%in: f32, %out: f16):
      %t = arith.truncf %in : f32 to f16
      linalg.yield %t : f16
    } -> tensor<4x10xf16>
    func.return %o : tensor<4x10xf16>
  }
}
