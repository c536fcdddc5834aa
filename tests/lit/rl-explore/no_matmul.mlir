// A model without any matmul is a workload like another: its vector work is placed.
// RUN: asic-opt --rl-explore="evaluations=32 strategy=random" %s 2>/dev/null | filecheck %s
// CHECK: asic.chip = #asic.chip<node = "3nm"
// CHECK: asic.elementwise
// CHECK-SAME: region = #asic.region

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
