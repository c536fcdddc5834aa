// What has no place on the mesh is said with its location, never passed on in silence.
// RUN: not asic-opt %S/Inputs/dynamic.mlir --convert-linalg-to-asic 2>&1 | filecheck --check-prefix=DYNAMIC %s
// RUN: not asic-opt %S/Inputs/blocks.mlir --convert-linalg-to-asic 2>&1 | filecheck --check-prefix=BLOCKS %s
// RUN: not asic-opt %S/Inputs/region.mlir --convert-linalg-to-asic 2>&1 | filecheck --check-prefix=REGION %s

// DYNAMIC: dynamic.mlir:{{[0-9]+}}:{{[0-9]+}}: error: {{.*}} no asic form
// DYNAMIC: no static shape
// BLOCKS: blocks.mlir:2:{{[0-9]+}}: error: control flow between blocks has no place on the mesh
// BLOCKS: note: the function @{{.*}} may have one block
// REGION: region.mlir:2:{{[0-9]+}}: error: 1 operation has no asic form
// REGION: scf.if
