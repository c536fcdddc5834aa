// A run's folder as one page: the chip and why it is this one.
// RUN: rm -rf %t && asic-opt --rl-explore="evaluations=64 strategy=random seed=3 quiet=true emit='%t'" %S/mlp.mlir -o %t.mlir
// RUN: asic-translate --to-report %t | filecheck %s
// RUN: not asic-translate --to-report %S 2>&1 | filecheck --check-prefix=FOLDER %s
// RUN: not asic-translate --to-report %s 2>&1 | filecheck --check-prefix=FILE %s
// RUN: not asic-translate --to-report 2>&1 | filecheck --check-prefix=NONE %s

// CHECK: <!doctype html>
// CHECK: <title>mlp on 3nm</title>
// CHECK: Why this design
// CHECK: random with seed 3 evaluated 64 designs
// CHECK: How the search came to it
// CHECK: Which constraints bind
// CHECK: power &lt;= 51.4 W
// CHECK: </html>
// FOLDER: error: cannot read '{{.*}}hardware.json'
// FOLDER: note: --to-report takes a folder that rl-explore's emit= wrote
// FILE: error: '{{.*}}report.mlir' is no folder
// NONE: error: --to-report takes a folder
