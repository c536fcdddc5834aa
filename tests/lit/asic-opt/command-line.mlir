// What is wrong on the command line is said in one line, with the nearest right spelling.
// RUN: not asic-opt %s -p canonicalise 2>&1 | filecheck %s --check-prefix=PASS
// RUN: not asic-opt %s --canonicalize 2>&1 | filecheck %s --check-prefix=FLAG
// RUN: not asic-opt no-such-file.mlir 2>&1 | filecheck %s --check-prefix=FILE
// RUN: not asic-opt %s -o no-such-folder/x.mlir 2>&1 | filecheck %s --check-prefix=FOLDER

// PASS: -p:1:1: error: unknown pass 'canonicalise'
// PASS-NEXT: note: did you mean 'canonicalize'?
// FLAG: asic-opt: error: unknown flag or pass '--canonicalize'
// FLAG-NEXT: note: 'canonicalize' is a pass of xDSL: -p canonicalize
// FILE: asic-opt: error: no such file: 'no-such-file.mlir'
// FOLDER: asic-opt: error: cannot write 'no-such-folder/x.mlir'
