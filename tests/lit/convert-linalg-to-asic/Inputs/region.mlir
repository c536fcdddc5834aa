func.func @main(%x: tensor<4x8xf16>, %c: i1) -> tensor<4x8xf16> {
  %r = scf.if %c -> (tensor<4x8xf16>) { scf.yield %x : tensor<4x8xf16> } else { scf.yield %x : tensor<4x8xf16> }
  func.return %r : tensor<4x8xf16> }
