// What a user gets wrong is answered in one line, on stderr, with exit code 1.
// RUN: not asic-opt --rl-explore="node=2nm" %s 2>&1 | filecheck --check-prefix=NODE %s
// RUN: not asic-opt --rl-explore="mode=fast" %s 2>&1 | filecheck --check-prefix=MODE %s
// RUN: not asic-opt --rl-explore="strategy=magic" %s 2>&1 | filecheck --check-prefix=STRATEGY %s
// RUN: not asic-opt --rl-explore="evaluations=0" %s 2>&1 | filecheck --check-prefix=EVALUATIONS %s
// RUN: not asic-opt --rl-explore="power_w=-1" %s 2>&1 | filecheck --check-prefix=POWER %s
// RUN: not asic-opt --rl-explore="evaluations=64 strategy=random power_w=0.000001" %s 2>&1 | filecheck --check-prefix=INFEASIBLE %s
// RUN: not asic-opt --rl-explore="evaluations=1 emit=/dev/null/run" %s 2>&1 | filecheck --check-prefix=EMIT %s
// RUN: not asic-opt --rl-explore="placement=annealing" %s 2>&1 | filecheck --check-prefix=PLACEMENT %s
// RUN: not asic-opt --rl-explore="placement=best emit=%t" %s 2>&1 | filecheck --check-prefix=PLACEMENTS %s
// RUN: not asic-opt --rl-explore %S/Inputs/empty_function.mlir 2>&1 | filecheck --check-prefix=EMPTY %s

// RUN: not asic-opt --rl-explore="goal='maximize tokens_per_s subject to power <= 5 mm2'" %s 2>&1 | filecheck --check-prefix=GOAL %s

// NODE: error: unknown process node '2nm'
// NODE: note: known: 3nm, 4nm, 5nm, 6nm, 7nm, 10nm, 12nm, 14nm, 22nm, 28nm (16nm is 14nm)
// NODE-NOT: Traceback
// MODE: error: {{.*}}fast
// STRATEGY: error: unknown strategy 'magic'
// STRATEGY: note: strategies are: {{.*}}random, sac-moe
// EVALUATIONS: error: evaluations must be at least 1, not 0
// POWER: error: power_w must be positive, not -1
// INFEASIBLE: error: infeasible: none of 64 designs keeps every constraint
// INFEASIBLE: note: nearest design: {{[0-9]+}}x{{[0-9]+}} tiles
// INFEASIBLE: note: power: {{.*}}% over the limit of 1e-06 W
// INFEASIBLE: note: {{power_w=.* would do for this design|the budgets leave no clock}}
// GOAL: goal:1:{{[0-9]+}}: error: {{.*}}mm2
// EMIT: error: cannot make the folder
// PLACEMENT: error: placement=annealing is of a program, and none is written
// PLACEMENT: note: name a folder for it: emit=DIR
// PLACEMENTS: error: {{.*}}best
// EMPTY: error: the program has no operator to place

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
