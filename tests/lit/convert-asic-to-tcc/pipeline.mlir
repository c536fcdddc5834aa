// Step by step through files, at once, and as rl-explore emits it: the same programs.
// RUN: asic-opt --rl-explore="evaluations=64 strategy=random seed=3 quiet=true emit=%t.run" %S/../rl-explore/mlp.mlir -o %t.placed.mlir
// RUN: asic-opt --asic-schedule %t.placed.mlir -o %t.scheduled.mlir
// RUN: asic-opt --convert-asic-to-tcc %t.scheduled.mlir -o %t.program.mlir
// RUN: cmp %t.program.mlir %t.run/program.mlir
// RUN: asic-opt -p 'rl-explore{evaluations=64 strategy=random seed=3 quiet=true},asic-schedule,convert-asic-to-tcc' %S/../rl-explore/mlp.mlir -o %t.once.mlir
// RUN: cmp %t.once.mlir %t.run/program.mlir
// RUN: filecheck --check-prefix=PLACED %s < %t.placed.mlir
// RUN: filecheck --check-prefix=SCHEDULED %s < %t.scheduled.mlir
// RUN: filecheck %s < %t.program.mlir

// PLACED: asic.plan = #asic.plan<dies = 1, weight_bits = 16
// PLACED: asic.matmul {{.*}}placement = #asic.placement<kind = "matmul", first = {{[0-9]+}}, batch = 1
// PLACED-NOT: asic.slot

// SCHEDULED: asic.matmul {{.*}}slot = #asic.slot<start = 0, cycles = {{[0-9]+}}>

// CHECK-NOT: func.func
// CHECK: tcc.program @stage0.matmul

// What a user forgets is told, with where it is missing.
// RUN: not asic-opt --asic-schedule %S/../rl-explore/mlp.mlir 2>&1 | filecheck --check-prefix=EARLY %s
// RUN: not asic-opt --convert-asic-to-tcc %t.placed.mlir 2>&1 | filecheck --check-prefix=UNSCHEDULED %s

// EARLY: mlp.mlir:{{[0-9]+}}:{{[0-9]+}}: error: the model has no chip and plan
// EARLY: note: run rl-explore or explore before this pass
// UNSCHEDULED: placed.mlir:{{[0-9]+}}:{{[0-9]+}}: error: asic.matmul has no slot
// UNSCHEDULED: note: run asic-schedule before this pass
