// The pass explore is rl-explore with the strategy named; its options are the same.
// RUN: asic-opt -p 'explore{strategy=nsga2 evaluations=80 node=7nm seed=1}' %s 2>%t.err | filecheck %s
// RUN: filecheck --check-prefix=SUMMARY %s < %t.err
// RUN: asic-opt --explore="strategy=cma-es evaluations=80 quiet=true" %s | asic-opt | filecheck --check-prefix=PLACED %s
// RUN: not asic-opt --explore="strategy=magic" %s 2>&1 | filecheck --check-prefix=STRATEGY %s
// RUN: xdsl-opt --allow-unregistered-dialect -p 'convert-linalg-to-asic,explore{strategy="annealing" evaluations=70 quiet=true}' %s | filecheck --check-prefix=PLACED %s
// RUN: asic-opt --help | filecheck --check-prefix=HELP %s

// CHECK: asic.chip = #asic.chip<node = "7nm", mesh = [
// CHECK: asic.elementwise
// CHECK-SAME: region = #asic.region
// SUMMARY: pipeline: convert-linalg-to-asic,explore{
// SUMMARY-SAME: strategy="nsga2"
// SUMMARY: chip {{.*}}7nm
// PLACED: asic.chip = #asic.chip<node = "3nm"
// STRATEGY: error: unknown strategy 'magic'
// STRATEGY: note: strategies are: annealing, bayesian, cma-es
// HELP: --explore
// HELP: strategy {{.*}}annealing, bayesian, cma-es
// HELP: --rl-explore

#identity = affine_map<(d0) -> (d0)>
func.func @main(%x: tensor<1024xf16>) -> tensor<1024xf16> {
  %e = tensor.empty() : tensor<1024xf16>
  %r = linalg.generic {indexing_maps = [#identity, #identity], iterator_types = ["parallel"]} ins(%x : tensor<1024xf16>) outs(%e : tensor<1024xf16>) {
  ^bb0(%in: f16, %out: f16):
    %t = arith.mulf %in, %in : f16
    linalg.yield %t : f16
  } -> tensor<1024xf16>
  func.return %r : tensor<1024xf16>
}
