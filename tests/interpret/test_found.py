"""What random programs have found, each as small as it goes, through every step."""

from __future__ import annotations

from collections import Counter

import pytest
from random_programs.harness import Tally, follow
from random_programs.writer import Program

# An f64 result of f32 operands was summed in f32 on a tile: 1e-8 off, where 1e-15 is right.
WIDER_RESULT = """func.func @main(%a: tensor<2x5xf32>, %b: tensor<5x3xf32>) -> tensor<2x3xf64> {
  %z = arith.constant 0.0 : f64
  %e = tensor.empty() : tensor<2x3xf64>
  %f = linalg.fill ins(%z : f64) outs(%e : tensor<2x3xf64>) -> tensor<2x3xf64>
  %r = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d2)>,
      affine_map<(d0, d1, d2) -> (d2, d1)>, affine_map<(d0, d1, d2) -> (d0, d1)>],
      iterator_types = ["parallel", "parallel", "reduction"]}
    ins(%a, %b : tensor<2x5xf32>, tensor<5x3xf32>) outs(%f : tensor<2x3xf64>) {
  ^bb0(%x: f32, %y: f32, %s: f64):
    %u = arith.extf %x : f32 to f64
    %v = arith.extf %y : f32 to f64
    %p = arith.mulf %u, %v : f64
    %t = arith.addf %s, %p : f64
    linalg.yield %t : f64
  } -> tensor<2x3xf64>
  return %r : tensor<2x3xf64>
}
"""
# A nest that is read in the body of another operation alone was taken for dead, and refused.
READ_IN_A_BODY = """func.func @main(%a: tensor<3x2xf32>, %b: tensor<2xf32>, %i: tensor<5xi64>)
    -> tensor<5x2xf32> {
  %e = tensor.empty() : tensor<3x2xf32>
  %m = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>,
      affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, d1)>],
      iterator_types = ["parallel", "parallel"]}
    ins(%a, %b : tensor<3x2xf32>, tensor<2xf32>) outs(%e : tensor<3x2xf32>) {
  ^bb0(%x: f32, %y: f32, %s: f32):
    %t = arith.addf %x, %y : f32
    linalg.yield %t : f32
  } -> tensor<3x2xf32>
  %o = tensor.empty() : tensor<5x2xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0)>,
      affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]}
    ins(%i : tensor<5xi64>) outs(%o : tensor<5x2xf32>) {
  ^bb0(%k: i64, %x: f32):
    %row = arith.index_cast %k : i64 to index
    %column = linalg.index 1 : index
    %t = tensor.extract %m[%row, %column] : tensor<3x2xf32>
    linalg.yield %t : f32
  } -> tensor<5x2xf32>
  return %r : tensor<5x2xf32>
}
"""
# A body that reads an argument and uses none was held to other roundings than what is left of it.
UNUSED_ARGUMENT = """func.func @main(%a: tensor<1xf32>) -> tensor<1xbf16> {
  %e = tensor.empty() : tensor<1xf32>
  %v = linalg.generic {indexing_maps = [affine_map<(d0) -> (0)>, affine_map<(d0) -> (d0)>],
      iterator_types = ["parallel"]} ins(%a : tensor<1xf32>) outs(%e : tensor<1xf32>) {
  ^bb0(%x: f32, %s: f32):
    %i = linalg.index 0 : index
    %j = arith.index_cast %i : index to i64
    %t = arith.sitofp %j : i64 to f32
    linalg.yield %t : f32
  } -> tensor<1xf32>
  %f = tensor.empty() : tensor<1xbf16>
  %r = linalg.generic {indexing_maps = [affine_map<(d0) -> (0)>, affine_map<(d0) -> (d0)>],
      iterator_types = ["parallel"]} ins(%v : tensor<1xf32>) outs(%f : tensor<1xbf16>) {
  ^bb0(%x: f32, %s: bf16):
    %h = arith.constant 0.5 : f32
    %p = arith.addf %x, %h : f32
    %q = math.sqrt %p : f32
    %t = arith.truncf %q : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<1xbf16>
  return %r : tensor<1xbf16>
}
"""
# Widening a number that no argument has a part in was held to round, and the product of tiles not.
WIDENED_CONSTANT = """func.func @main() -> tensor<f32> {
  %w = arith.constant dense_resource<w> : tensor<4xbf16>
  %e = tensor.empty() : tensor<4xbf16>
  %v = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]}
    outs(%e : tensor<4xbf16>) {
  ^bb0(%s: bf16):
    %c = arith.constant 3.5 : bf16
    %t = math.rsqrt %c : bf16
    linalg.yield %t : bf16
  } -> tensor<4xbf16>
  %z = arith.constant 0.0 : f32
  %f = tensor.empty() : tensor<f32>
  %i = linalg.fill ins(%z : f32) outs(%f : tensor<f32>) -> tensor<f32>
  %r = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>,
      affine_map<(d0) -> ()>], iterator_types = ["reduction"]}
    ins(%w, %v : tensor<4xbf16>, tensor<4xbf16>) outs(%i : tensor<f32>) {
  ^bb0(%x: bf16, %y: bf16, %s: f32):
    %a = arith.extf %x : bf16 to f32
    %b = arith.extf %y : bf16 to f32
    %p = arith.mulf %a, %b : f32
    %t = arith.addf %p, %s : f32
    linalg.yield %t : f32
  } -> tensor<f32>
  return %r : tensor<f32>
}
"""
_FOUND = [WIDER_RESULT, READ_IN_A_BODY, UNUSED_ARGUMENT, WIDENED_CONSTANT]


@pytest.mark.parametrize("text", _FOUND)
def test_it_stays_found(text: str) -> None:
    tally = Tally()
    below = {2: 3} if text is READ_IN_A_BODY else {}
    follow(Program(text, below), 0, tally, designed=True)
    assert tally.counts == Counter({"conversion right": 1, "program right": 2})
