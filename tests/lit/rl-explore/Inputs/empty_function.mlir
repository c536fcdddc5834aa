func.func @main(%x: tensor<4xf16>) {
  func.return
}
