// RUN: asic-opt %s --split-input-file | filecheck %s
// RUN: asic-opt %s --split-input-file | asic-opt --split-input-file | filecheck %s

// Inside dense<...> a hexadecimal number is the bits of a float; it was read as an integer, and
// minus infinity was 4286578688.0. Printed as bytes, xdsl-opt reads it too.
// CHECK-LABEL: func.func @infinity
// CHECK: arith.constant dense<"0x000080FF"> : tensor<4xf32>
// CHECK: arith.constant dense<"0x000080FF0000803F"> : tensor<2xf32>
// CHECK: arith.constant dense<"0x00FC003C"> : tensor<2xf16>
// CHECK: arith.constant 0xff800000 : f32
func.func @infinity() {
  %0 = arith.constant dense<0xFF800000> : tensor<4xf32>
  %1 = arith.constant dense<[0xFF800000, 1.0]> : tensor<2xf32>
  %2 = arith.constant dense<[0xFC00, 0x3C00]> : tensor<2xf16>
  %3 = arith.constant 0xFF800000 : f32
  return
}

// -----

// Zeros of both signs were printed as one.
// CHECK-LABEL: func.func @zeros
// CHECK: arith.constant dense<"0x0000000000000080"> : tensor<2xf32>
// CHECK: arith.constant dense<-0.000000e+00> : tensor<2xf32>
func.func @zeros() {
  %0 = arith.constant dense<[0.0, -0.0]> : tensor<2xf32>
  %1 = arith.constant dense<-0.0> : tensor<2xf32>
  return
}

// -----

// The pretty form has no body and no maps: what they would be by the name alone is printed pretty.
// CHECK-LABEL: func.func @bodies
// CHECK: linalg.matmul {cast = #linalg.type_fn<cast_unsigned>} ins(
// CHECK: "linalg.matmul"({{.*}}indexing_maps = [
// CHECK: "linalg.add"(
// CHECK: arith.subf
func.func @bodies(%a: tensor<4x4xi8>, %c: tensor<4x4xi32>, %x: tensor<4xf32>) {
  %0 = linalg.matmul {cast = #linalg.type_fn<cast_unsigned>} ins(%a, %a : tensor<4x4xi8>, tensor<4x4xi8>) outs(%c : tensor<4x4xi32>) -> tensor<4x4xi32>
  %1 = linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (k, m)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] ins(%a, %a : tensor<4x4xi8>, tensor<4x4xi8>) outs(%c : tensor<4x4xi32>) -> tensor<4x4xi32>
  %2 = "linalg.add"(%x, %x, %x) <{operandSegmentSizes = array<i32: 2, 1>}> ({
  ^bb0(%p: f32, %q: f32, %o: f32):
    %d = arith.subf %p, %q : f32
    linalg.yield %d : f32
  }) : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}
