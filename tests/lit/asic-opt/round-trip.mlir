// Text to text: custom and generic form, twice through the driver.
// RUN: asic-opt %s | filecheck %s
// RUN: asic-opt %s --print-op-generic | asic-opt - | filecheck %s
// RUN: asic-opt < %s | filecheck %s

// CHECK: func.func @axpy(%{{.*}}: f32, %{{.*}}: f32) -> f32
// CHECK-NEXT: arith.mulf
// CHECK-NEXT: arith.addf
// CHECK-NEXT: func.return
func.func @axpy(%a: f32, %x: f32) -> f32 {
  %ax = arith.mulf %a, %x : f32
  %y = arith.addf %ax, %x : f32
  func.return %y : f32
}
