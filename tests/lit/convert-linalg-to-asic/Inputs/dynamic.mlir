func.func @a(%x: tensor<?x8xf16>, %w: tensor<8x4xf16>) -> tensor<4x4xf16> {
  %c = arith.constant 0.0 : f16
  %e = tensor.empty() : tensor<4x4xf16>
  %f = linalg.fill ins(%c : f16) outs(%e : tensor<4x4xf16>) -> tensor<4x4xf16>
  %m = linalg.matmul ins(%x, %w : tensor<?x8xf16>, tensor<8x4xf16>) outs(%f : tensor<4x4xf16>) -> tensor<4x4xf16>
  func.return %m : tensor<4x4xf16>
}
