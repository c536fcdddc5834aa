"""A breakdown adds up to what the model says of the design."""

import numpy as np
import pytest

from asic_compiler.hardware.design import Freedom
from asic_compiler.hardware.weight_store import STORES
from asic_compiler.ppa.breakdown import breakdown

FREEDOM = Freedom(precision=("fp16", "w8a8", "w4a16"), kv_bits=(16, 4), weight_stores=STORES)


def test_the_parts_add_up(small, draw, make_model):
    model = make_model(small)
    designs = draw(40, 41, freedom=FREEDOM)
    for i in range(0, 40, 3):
        d = designs.take(np.array([i]))
        m = model.evaluate(d)
        parts = breakdown(model, d)
        assert sum(parts.power_w.values()) == pytest.approx(m.power_w[0])
        assert sum(parts.area_mm2.values()) == pytest.approx(m.area_mm2[0])
        spent = sum(o.total_j for o in parts.operators)
        own = m.energy_parts_j[0, :5].sum()
        if parts.dram_devices == 0 and d.stages[0] == 1:
            assert spent == pytest.approx(own)
        else:  # streams of weights and transfers between stages belong to no operator
            assert spent <= own * (1 + 1e-9)
        assert sum(o.count for o in parts.operators) == len(small.table.sequence)
        assert list(parts.operators) == sorted(
            parts.operators, key=lambda o: (-o.total_j, o.operator)
        )
        assert parts.weight_store == STORES[int(d.weight_store[0])]
        narrowed = d.kv_bits[0] < 16 or parts.precision != "fp16"
        assert bool(parts.accuracy_notes) == narrowed
        assert min(parts.area_mm2["wmem"], parts.area_mm2["front_end"]) > 0


def test_it_is_of_one_design(small, draw, make_model):
    with pytest.raises(ValueError, match="one design"):
        breakdown(make_model(small), draw(2, 1))
