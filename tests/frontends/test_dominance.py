"""Definitions come before uses, wherever they stand; what upstream leaves free is free."""

import random

import pytest

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.context import make_context
from asic_compiler.frontends.dominators import Dominators
from asic_compiler.frontends.mlir_text import parse_mlir, parse_module
from asic_compiler.frontends.verification import InvalidOutputError, verify_module


def function(body, arguments="%x: i32, %c: i1"):
    return f"func.func @main({arguments}) {{\n{body}\nfunc.return\n}}"


REFUSED = {
    "later in its block": (
        function("%b = arith.addi %a, %x : i32\n%a = arith.addi %x, %x : i32"),
        2,
    ),
    "by itself": (function("%a = arith.addi %a, %x : i32"), 2),
    "inside, before it": (
        function("scf.if %c {\n%b = arith.addi %a, %x : i32\n}\n%a = arith.addi %x, %x : i32"),
        3,
    ),
    "in its own region": (
        function("%a = scf.if %c -> (i32) {\nscf.yield %a : i32\n} else {\nscf.yield %x : i32\n}"),
        3,
    ),
    "outside, made inside": (
        function("scf.if %c {\n%a = arith.addi %x, %x : i32\n}\n%b = arith.addi %a, %x : i32"),
        5,
    ),
    "beside, made in another branch": (
        function(
            "scf.if %c {\n%a = arith.addi %x, %x : i32\n} else {\n%b = arith.addi %a, %x : i32\n}"
        ),
        5,
    ),
    "in a block that need not come after": (
        function(
            "cf.cond_br %c, ^one, ^two\n^one:\n%a = arith.addi %x, %x : i32\ncf.br ^two\n"
            "^two:\n%b = arith.addi %a, %x : i32"
        ),
        7,
    ),
    "of an argument of another block": (
        function("cf.br ^one(%x : i32)\n^one(%p: i32):\ncf.br ^two\n^two:").replace(
            "cf.br ^one(%x", "%b = arith.addi %p, %x : i32\ncf.br ^one(%x"
        ),
        2,
    ),
    "made in code that nothing leads to": (
        function(
            "cf.br ^end\n^lost:\n%a = arith.addi %x, %x : i32\ncf.br ^end\n"
            "^end:\n%b = arith.addi %a, %x : i32"
        ),
        7,
    ),
}

ACCEPTED = {
    "before": function("%a = arith.addi %x, %x : i32\n%b = arith.addi %a, %x : i32"),
    "inside, after it": function(
        "%a = arith.addi %x, %x : i32\nscf.if %c {\n%b = arith.addi %a, %x : i32\n}"
    ),
    "in a block that must come after": function(
        "%a = arith.addi %x, %x : i32\ncf.cond_br %c, ^one, ^two\n^one:\ncf.br ^two\n"
        "^two:\n%b = arith.addi %a, %x : i32"
    ),
    "a loop's own block": function(
        "cf.br ^one(%x : i32)\n^one(%p: i32):\n%a = arith.addi %p, %x : i32\n"
        "cf.cond_br %c, ^one(%a : i32), ^two\n^two:\n%b = arith.addi %a, %x : i32"
    ),
    "a block written before the one that leads to it": function(
        "cf.br ^two\n^one:\n%b = arith.addi %a, %x : i32\ncf.br ^end\n"
        "^two:\n%a = arith.addi %x, %x : i32\ncf.br ^one\n^end:"
    ),
    "in code that nothing leads to": function(
        "cf.br ^end\n^lost:\n%b = arith.addi %a, %x : i32\ncf.br ^end\n"
        "^end:\n%a = arith.addi %x, %x : i32"
    ),
    "the operations of a module have no order": (
        "%b = arith.addi %a, %a : i32\n%a = arith.constant 1 : i32"
    ),
}


@pytest.mark.parametrize(("text", "line"), REFUSED.values(), ids=REFUSED)
def test_a_use_before_its_definition_is_refused_at_its_place(text, line):
    """It was accepted: a search over such a program did not end."""
    with pytest.raises(UserError, match=r"used (before it is|but not) defined") as caught:
        parse_module(text, "m.mlir")
    assert caught.value.location is not None
    assert caught.value.location.line == line


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED)
def test_every_order_that_upstream_takes_is_taken(text):
    parse_module(text, "m.mlir")


def test_a_pass_that_breaks_the_order_is_a_defect():
    module = parse_module(ACCEPTED["before"], "m.mlir")
    (main,) = module.ops
    first, second, *_ = main.body.block.ops
    second.detach()
    main.body.block.insert_op_before(second, first)
    with pytest.raises(InvalidOutputError, match="mine does not verify"):
        verify_module(module, written_by="mine")


def reachable(count, edges, without=None):
    """Blocks that block 0 leads to, by definition."""
    found, waiting = set(), [0]
    while waiting:
        at = waiting.pop()
        if at not in found and at != without:
            found.add(at)
            waiting += [target for source, target in edges if source == at]
    return found


@pytest.mark.parametrize("seed", range(20))
def test_dominators_of_random_graphs_are_those_of_the_definition(seed):
    """One block dominates another that cannot be reached without it."""
    draw, count = random.Random(seed), 9
    ways = [draw.sample(range(1, count), 2) for _ in range(count)]
    lines = ["cf.cond_br %c, ^b{}, ^b{}".format(*ways[0])]
    lines += [f"^b{i}:\ncf.cond_br %c, ^b{ways[i][0]}, ^b{ways[i][1]}" for i in range(1, count)]
    text = function("\n".join(lines)).replace("\nfunc.return", "")
    (main,) = parse_mlir(make_context(), text, "m.mlir").ops
    blocks, edges = list(main.body.blocks), [(i, t) for i in range(count) for t in ways[i]]
    # In the order of the text: what is named first comes first.
    names = {0: 0} | {i: p + 1 for p, i in enumerate(sorted(range(1, count)))}
    dominators = Dominators(main.body)
    for one in range(count):
        around = reachable(count, edges, without=one)
        for other in reachable(count, edges) - {one}:
            found = dominators.dominates(blocks[names[one]], blocks[names[other]])
            assert found == (other not in around)
