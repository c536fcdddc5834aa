// RUN: asic-opt %s --split-input-file --convert-linalg-to-asic | filecheck %s
// A named operation is short for its loops and its body: both are what is written.

// Unsigned operands are widened before: asic.matmul takes narrow integers with their sign.
// CHECK-LABEL: func.func @unsigned
// CHECK: asic.elementwise
// CHECK: arith.extui {{.*}} : i8 to i32
// CHECK: asic.matmul {{.*}} : tensor<4x8xi32>, tensor<8x5xi32> -> tensor<4x5xi32>
func.func @unsigned(%a: tensor<4x8xi8>, %b: tensor<8x5xi8>) -> tensor<4x5xi32> {
  %z = arith.constant 0 : i32
  %e = tensor.empty() : tensor<4x5xi32>
  %f = linalg.fill ins(%z : i32) outs(%e : tensor<4x5xi32>) -> tensor<4x5xi32>
  %r = linalg.matmul {cast = #linalg.type_fn<cast_unsigned>} ins(%a, %b : tensor<4x8xi8>, tensor<8x5xi8>) outs(%f : tensor<4x5xi32>) -> tensor<4x5xi32>
  return %r : tensor<4x5xi32>
}

// -----

// CHECK-LABEL: func.func @signed
// CHECK-NEXT: asic.matmul {{.*}} : tensor<4x8xi8>, tensor<8x5xi8> -> tensor<4x5xi32>
func.func @signed(%a: tensor<4x8xi8>, %b: tensor<8x5xi8>) -> tensor<4x5xi32> {
  %z = arith.constant 0 : i32
  %e = tensor.empty() : tensor<4x5xi32>
  %f = linalg.fill ins(%z : i32) outs(%e : tensor<4x5xi32>) -> tensor<4x5xi32>
  %r = linalg.matmul ins(%a, %b : tensor<4x8xi8>, tensor<8x5xi8>) outs(%f : tensor<4x5xi32>) -> tensor<4x5xi32>
  return %r : tensor<4x5xi32>
}

// -----

// CHECK-LABEL: func.func @transposed_by_maps
// CHECK-NEXT: asic.matmul {{.*}} transpose_rhs : tensor<4x8xf32>, tensor<5x8xf32> -> tensor<4x5xf32>
func.func @transposed_by_maps(%a: tensor<4x8xf32>, %b: tensor<5x8xf32>) -> tensor<4x5xf32> {
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4x5xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<4x5xf32>) -> tensor<4x5xf32>
  %r = linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>] ins(%a, %b : tensor<4x8xf32>, tensor<5x8xf32>) outs(%f : tensor<4x5xf32>) -> tensor<4x5xf32>
  return %r : tensor<4x5xf32>
}

// -----

// No product at all, whatever its name.
// CHECK-LABEL: func.func @smallest_sum
// CHECK: asic.reduce
// CHECK: arith.minimumf
func.func @smallest_sum(%a: tensor<4x8xf32>, %b: tensor<8x5xf32>) -> tensor<4x5xf32> {
  %z = arith.constant 0x7F800000 : f32
  %e = tensor.empty() : tensor<4x5xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<4x5xf32>) -> tensor<4x5xf32>
  %r = "linalg.matmul"(%a, %b, %f) <{operandSegmentSizes = array<i32: 2, 1>}> ({
  ^bb0(%x: f32, %y: f32, %s: f32):
    %p = arith.addf %x, %y : f32
    %t = arith.minimumf %s, %p : f32
    linalg.yield %t : f32
  }) : (tensor<4x8xf32>, tensor<8x5xf32>, tensor<4x5xf32>) -> tensor<4x5xf32>
  return %r : tensor<4x5xf32>
}

// -----

// A product's sums start at 0.0, which -0.0 is not.
// CHECK-LABEL: func.func @from_minus_zero
// CHECK: asic.reduce({{.*}}-0.000000e+00 : f32
func.func @from_minus_zero(%a: tensor<4x8xf32>, %b: tensor<8x5xf32>) -> tensor<4x5xf32> {
  %z = arith.constant -0.0 : f32
  %e = tensor.empty() : tensor<4x5xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<4x5xf32>) -> tensor<4x5xf32>
  %r = linalg.matmul ins(%a, %b : tensor<4x8xf32>, tensor<8x5xf32>) outs(%f : tensor<4x5xf32>) -> tensor<4x5xf32>
  return %r : tensor<4x5xf32>
}
