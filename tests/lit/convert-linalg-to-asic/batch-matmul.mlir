// RUN: asic-opt %s --convert-linalg-to-asic | filecheck %s
// RUN: xdsl-opt %s --allow-unregistered-dialect -p convert-linalg-to-asic | filecheck %s

// Grouped-query attention: 2 key-value heads, each read by 3 query heads. The cache is appended to
// and read as it lies; plain xdsl-opt does not know linalg.batch_matmul, which changes nothing.

// CHECK-NOT:  linalg
// CHECK:      %[[KV:.*]] = asic.kv_append %new into %cache {axis = 2 : i64, position = 7 : i64}
// CHECK-NEXT: %[[Q:.*]] = asic.layout %q view
// CHECK-NEXT: %{{.*}} = asic.matmul %[[Q]], %[[KV]] transpose_rhs : tensor<5x2x3x4xf16>, tensor<5x2x8x4xf16> -> tensor<5x2x3x8xf32>
// CHECK-NOT:  linalg
"func.func"() <{sym_name = "main", function_type = (tensor<5x6x1x4xf16>, tensor<5x2x1x4xf16>, tensor<5x2x8x4xf16>) -> (tensor<30x1x8xf32>, tensor<5x2x8x4xf16>)}> ({
^bb0(%q: tensor<5x6x1x4xf16>, %new: tensor<5x2x1x4xf16>, %cache: tensor<5x2x8x4xf16>):
  %zero = "arith.constant"() <{value = 0.0 : f32}> : () -> f32
  %kv = "tensor.insert_slice"(%new, %cache) <{operandSegmentSizes = array<i32: 1, 1, 0, 0, 0>, static_offsets = array<i64: 0, 0, 7, 0>, static_sizes = array<i64: 5, 2, 1, 4>, static_strides = array<i64: 1, 1, 1, 1>}> : (tensor<5x2x1x4xf16>, tensor<5x2x8x4xf16>) -> tensor<5x2x8x4xf16>
  %e0 = "tensor.empty"() : () -> tensor<5x2x3x8x4xf16>
  %b = "linalg.generic"(%kv, %e0) <{indexing_maps = [affine_map<(a, b, c, d, e) -> (a, b, d, e)>, affine_map<(a, b, c, d, e) -> (a, b, c, d, e)>], iterator_types = [#linalg.iterator_type<parallel>, #linalg.iterator_type<parallel>, #linalg.iterator_type<parallel>, #linalg.iterator_type<parallel>, #linalg.iterator_type<parallel>], operandSegmentSizes = array<i32: 1, 1>}> ({
  ^bb1(%x: f16, %o: f16):
    "linalg.yield"(%x) : (f16) -> ()
  }) : (tensor<5x2x8x4xf16>, tensor<5x2x3x8x4xf16>) -> tensor<5x2x3x8x4xf16>
  %k = "tensor.collapse_shape"(%b) <{reassociation = [[0, 1, 2], [3], [4]]}> : (tensor<5x2x3x8x4xf16>) -> tensor<30x8x4xf16>
  %e1 = "tensor.empty"() : () -> tensor<30x4x8xf16>
  %t = "linalg.transpose"(%k, %e1) <{permutation = array<i64: 0, 2, 1>}> ({
  ^bb2(%x2: f16, %o2: f16):
    "linalg.yield"(%x2) : (f16) -> ()
  }) : (tensor<30x8x4xf16>, tensor<30x4x8xf16>) -> tensor<30x4x8xf16>
  %qc = "tensor.collapse_shape"(%q) <{reassociation = [[0, 1], [2], [3]]}> : (tensor<5x6x1x4xf16>) -> tensor<30x1x4xf16>
  %e2 = "tensor.empty"() : () -> tensor<30x1x8xf32>
  %f = "linalg.fill"(%zero, %e2) <{operandSegmentSizes = array<i32: 1, 1>}> ({
  ^bb3(%x3: f32, %o3: f32):
    "linalg.yield"(%x3) : (f32) -> ()
  }) : (f32, tensor<30x1x8xf32>) -> tensor<30x1x8xf32>
  %s = "linalg.batch_matmul"(%qc, %t, %f) <{indexing_maps = [affine_map<(b, m, n, k) -> (b, m, k)>, affine_map<(b, m, n, k) -> (b, k, n)>, affine_map<(b, m, n, k) -> (b, m, n)>], operandSegmentSizes = array<i32: 2, 1>}> ({
  ^bb4(%x4: f16, %y4: f16, %o4: f32):
    %xw = "arith.extf"(%x4) : (f16) -> f32
    %yw = "arith.extf"(%y4) : (f16) -> f32
    %p = "arith.mulf"(%xw, %yw) <{fastmath = #arith.fastmath<none>}> : (f32, f32) -> f32
    %a = "arith.addf"(%o4, %p) <{fastmath = #arith.fastmath<none>}> : (f32, f32) -> f32
    "linalg.yield"(%a) : (f32) -> ()
  }) : (tensor<30x1x4xf16>, tensor<30x4x8xf16>, tensor<30x1x8xf32>) -> tensor<30x1x8xf32>
  "func.return"(%s, %kv) : (tensor<30x1x8xf32>, tensor<5x2x8x4xf16>) -> ()
}) : () -> ()
