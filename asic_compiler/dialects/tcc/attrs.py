"""Types and attributes of the ``tcc`` dialect: tokens, buffers, and how work is cut over tiles."""

from __future__ import annotations

from functools import lru_cache
from io import StringIO
from math import prod
from typing import cast

from xdsl.dialects.builtin import ArrayAttr, IntAttr, TensorType
from xdsl.ir import Attribute, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from asic_compiler.dialects.asic.attrs import RegionAttr, int_array, ints
from asic_compiler.dialects.asic.fields import parse_fields, print_fields, require_positive
from asic_compiler.machine.limits import shape_fault


@irdl_attr_definition
class TokenType(ParametrizedAttribute, TypeAttribute):
    """An asynchronous transfer that was started: ``!tcc.token``. ``tcc.wait`` consumes it."""

    name = "tcc.token"


TOKEN = TokenType()


@irdl_attr_definition
class BufferType(ParametrizedAttribute, TypeAttribute):
    """DMEM that holds a tile's part of a tensor: ``!tcc.buffer<3x4096xf16>``.

    The shape is the whole tensor's: every tile of a class runs the same program, and how much of
    the tensor one tile holds follows from the cut of the instruction that wrote the buffer, or,
    after a receive, from what the instruction that reads it needs.

    Verified:
        1. no dimension is negative, there are at most 32, and at most 2^40 elements.
    """

    name = "tcc.buffer"

    shape: ArrayAttr[IntAttr]
    element_type: Attribute

    @classmethod
    def of(cls, tensor: Attribute) -> BufferType:
        """The buffer for parts of a ranked tensor.

        Raises:
            TypeError: ``tensor`` is not a tensor type.
        """
        return _buffer_of(tensor)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Dimensions of the whole tensor."""
        return tuple(size.data for size in self.shape)

    @property
    def elements(self) -> int:
        """Elements of the whole tensor."""
        return prod(self.sizes)

    def verify(self) -> None:
        """Checks the numbered rules."""
        if min(self.sizes, default=0) < 0:
            raise VerifyException(f"{self.name}: negative dimension in {list(self.sizes)}")
        if (fault := shape_fault(self.sizes)) is not None:
            raise VerifyException(f"{self.name}: it {fault}")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> list[Attribute]:
        """Reads ``<3x4096xf16>``."""
        with parser.in_angle_brackets():
            shape, element = parser.parse_ranked_shape()
        return [int_array(shape), element]

    def print_parameters(self, printer: Printer) -> None:
        """Prints ``<3x4096xf16>``."""
        with printer.in_angle_brackets():
            if self.shape.data:
                printer.print_dimension_list(self.sizes)
                printer.print_string("x")
            printer.print_attribute(self.element_type)


@lru_cache(maxsize=4096)
def _buffer_of(tensor: Attribute) -> BufferType:
    if not isinstance(tensor, TensorType):
        raise TypeError(f"expected a tensor type, got {tensor}")
    shape = int_array(tensor.get_shape())
    return BufferType(shape, cast("TensorType[Attribute]", tensor).element_type)


_CUT_FIELDS = {**dict.fromkeys("bmnk", "int"), "at": "ints", "first": "int"}
_CUT_OPTIONS = {"stride": "int", "rows_first": "int"}
_CUT_DEFAULTS = {"stride": IntAttr(1), "rows_first": IntAttr(0)}


@irdl_attr_definition
class CutAttr(ParametrizedAttribute):
    """How an iteration space is cut over a rectangle of tiles.

    ``#tcc.cut<b = 1, m = 1, n = 861, k = 2, at = [0, 0, 41, 42], first = 0>``

    Along a dimension of size s cut in p parts, part i is the range
    ``i*ceil(s/p) .. min((i+1)*ceil(s/p), s)``; it may be empty. Part number r of the b*m*n*k parts
    has the index

    - n: ``r mod n``, then m: ``r floordiv n mod m``; with ``rows_first = 1`` the other way round,
      m: ``r mod m``, then n: ``r floordiv m mod n``
    - k: ``r floordiv (n*m) mod k``
    - b: ``r floordiv (n*m*k)``

    and lies on the tile at (x, y) of a region with offset (X, Y) and W x H tiles for which
    ``(y - Y)*W + (x - X) = (first + r*stride) mod W*H``. Tiles that differ in k alone are a
    *k group*: they hold partial sums of the same elements. ``stride`` (1 where it is not given)
    leaves tiles free between parts.

    Verified:
        1. every factor and the stride are positive, rows_first is 0 or 1.
        2. no two parts lie on one tile: (b*m*n*k - 1)*stride is less than the region's tiles.
        3. first is one of the region's tiles, counted row by row.
    """

    name = "tcc.cut"

    b: IntAttr
    m: IntAttr
    n: IntAttr
    k: IntAttr
    region: RegionAttr
    """Printed as ``at``."""
    first: IntAttr
    stride: IntAttr
    rows_first: IntAttr

    @classmethod
    def of(
        cls,
        b: int,
        m: int,
        n: int,
        k: int,
        region: RegionAttr,
        first: int = 0,
        stride: int = 1,
        rows_first: bool = False,
    ) -> CutAttr:
        """The cut with these factors over ``region``, whose part 0 is on tile ``first``."""
        numbers = (IntAttr(b), IntAttr(m), IntAttr(n), IntAttr(k))
        return cls(*numbers, region, IntAttr(first), IntAttr(stride), IntAttr(int(rows_first)))

    @property
    def factors(self) -> tuple[int, int, int, int]:
        """Parts along b, m, n and k."""
        return self.b.data, self.m.data, self.n.data, self.k.data

    @property
    def active_tiles(self) -> int:
        """Tiles that get a part (it may be empty)."""
        return prod(self.factors)

    @property
    def indices(self) -> tuple[tuple[int, int, int, int], ...]:
        """Those of :meth:`index_of`, of every part."""
        return _parts_of(self)[0]

    @property
    def tiles(self) -> tuple[tuple[int, int], ...]:
        """Those of :meth:`tile_of`, of every part."""
        return _parts_of(self)[1]

    def index_of(self, part: int) -> tuple[int, int, int, int]:
        """Indices along b, m, n and k of a part."""
        _, m, n, k = self.factors
        inner = (part % m, part // m % n) if self.rows_first.data else (part // n % m, part % n)
        return part // (n * m * k), *inner, part // (n * m) % k

    def tile_of(self, part: int) -> tuple[int, int]:
        """Column and row of the mesh of the tile that a part lies on."""
        left, top, width, height = self.region.rectangle
        place = (self.first.data + part * self.stride.data) % (width * height)
        return left + place % width, top + place // width

    def part_of(self, x: int, y: int) -> tuple[int, int, int, int] | None:
        """Indices along b, m, n and k of the part of tile (x, y); None when it has none."""
        left, top, width, height = self.region.rectangle
        if not (left <= x < left + width and top <= y < top + height):
            return None
        place = ((y - top) * width + (x - left) - self.first.data) % (width * height)
        part, apart = divmod(place, self.stride.data)
        if apart or part >= self.active_tiles:
            return None
        return self.index_of(part)

    def verify(self) -> None:
        """Checks the numbered rules."""
        for key, value in zip("bmnk", self.factors, strict=True):
            require_positive(self.name, key, value)
        require_positive(self.name, "stride", self.stride.data)
        if self.rows_first.data not in (0, 1):
            raise VerifyException(f"{self.name}: rows_first is 0 or 1, not {self.rows_first.data}")
        _, _, width, height = self.region.rectangle
        if (self.active_tiles - 1) * self.stride.data >= width * height:
            apart = "" if self.stride.data == 1 else f" at a stride of {self.stride.data}"
            raise VerifyException(
                f"{self.name}: {self.active_tiles} parts{apart} for {width * height} tiles"
            )
        if not 0 <= self.first.data < width * height:
            raise VerifyException(
                f"{self.name}: first = {self.first.data} is not one of {width * height} tiles"
            )

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> list[Attribute]:
        """Reads the fields inside ``<...>``, in any order; ``at`` is [x, y, w, h]."""
        values = parse_fields(parser, cls.name, _CUT_FIELDS | _CUT_OPTIONS, _CUT_DEFAULTS)
        numbers = ints(cast("ArrayAttr[IntAttr]", values["at"]))
        if len(numbers) != 4:
            parser.raise_error(f"{cls.name}: at needs [x, y, w, h]")
        rest = [values["first"], values["stride"], values["rows_first"]]
        return [*(values[key] for key in "bmnk"), RegionAttr.of(*numbers), *rest]

    def print_parameters(self, printer: Printer) -> None:
        """Prints the fields inside ``<...>``."""
        printer.print_string(_cut_text(self))


@lru_cache(maxsize=64)
def _parts_of(
    cut: CutAttr,
) -> tuple[tuple[tuple[int, int, int, int], ...], tuple[tuple[int, int], ...]]:
    """Index and tile of every part; all layers of a model are cut in few ways."""
    parts = range(cut.active_tiles)
    return tuple(map(cut.index_of, parts)), tuple(map(cut.tile_of, parts))


@lru_cache(maxsize=4096)
def _cut_text(cut: CutAttr) -> str:
    place = int_array(cut.region.rectangle)
    fields = {"b": cut.b, "m": cut.m, "n": cut.n, "k": cut.k, "at": place, "first": cut.first}
    options = {"stride": cut.stride, "rows_first": cut.rows_first}
    fields |= {key: value for key, value in options.items() if value != _CUT_DEFAULTS[key]}
    stream = StringIO()
    print_fields(Printer(stream), fields)
    return stream.getvalue()


def part_range(size: int, parts: int, index: int) -> tuple[int, int]:
    """First and one past the last of part ``index`` of ``size`` things cut in ``parts``."""
    step = part_size(size, parts)
    return min(index * step, size), min((index + 1) * step, size)


def part_size(size: int, parts: int) -> int:
    """The largest part of ``size`` things cut in ``parts``: ceil(size / parts)."""
    return -(-size // parts)
