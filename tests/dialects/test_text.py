"""Attributes whose text is kept print as they do when it is made anew."""

from io import StringIO

import pytest
from xdsl.dialects import test
from xdsl.dialects.builtin import ArrayAttr, IntegerAttr, ModuleOp, StringAttr, i64
from xdsl.ir import Block, Data, Region
from xdsl.irdl import irdl_attr_definition
from xdsl.printer import Printer

from asic_compiler.dialects.text import _KEPT_AT_MOST, ExactPrinter


@irdl_attr_definition
class Verse(Data[str]):
    """Prints on several lines."""

    name = "test.verse"

    @classmethod
    def parse_parameter(cls, parser):
        raise AssertionError

    def print_parameter(self, printer):
        printer.print_string("<\nfirst\n  second>")


def printed(kind, module):
    stream = StringIO()
    kind(stream).print_op(module)
    return stream.getvalue()


@pytest.mark.parametrize(
    "attribute",
    [
        StringAttr("short"),
        ArrayAttr([IntegerAttr(i, i64) for i in range(_KEPT_AT_MOST)]),  # too long to be kept
        Verse("on several lines"),
        ArrayAttr([Verse("inside")]),
    ],
    ids=["short", "long", "lines", "nested"],
)
def test_one_attribute_in_many_places_reads_as_without_a_memo(attribute):
    def holder(*inner):
        return test.TestOp(attributes={"a": attribute, "b": attribute}, regions=[Region([*inner])])

    module = ModuleOp([holder(), holder(Block([holder(), holder(Block([holder()]))]))])
    assert printed(ExactPrinter, module) == printed(Printer, module)


def test_equal_attributes_of_different_objects_are_no_mixture():
    module = ModuleOp([test.TestOp(attributes={"a": StringAttr(str(i))}) for i in range(2000)])
    assert printed(ExactPrinter, module) == printed(Printer, module)
