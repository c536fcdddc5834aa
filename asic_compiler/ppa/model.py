"""The model: power, performance and area of N designs for one workload on one node."""

from __future__ import annotations

from dataclasses import dataclass

from asic_compiler.hardware.columns import keep_memory
from asic_compiler.hardware.derive import BANDS, Bands, TileSizes
from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.space import FloatArray
from asic_compiler.mapping.mapping import Mapping
from asic_compiler.mapping.profile import Profile, StageCut
from asic_compiler.mapping.stages import cut_of
from asic_compiler.ppa import area, precision, timing
from asic_compiler.ppa.conditions import Conditions
from asic_compiler.ppa.evaluation.operate import operate
from asic_compiler.ppa.evaluation.place import Placed, place
from asic_compiler.ppa.evaluation.provision import Provisioned, provision
from asic_compiler.ppa.evaluation.spend import Spent, spend
from asic_compiler.ppa.evaluation.time import Timed, time
from asic_compiler.ppa.metrics import Metrics, join
from asic_compiler.technology.node import Technology

_CHUNK = 4096
"""Designs evaluated at once: enough that the calls cost little, few enough for 50 MB of arrays."""


@dataclass(frozen=True)
class Evaluation:
    """The stages of an evaluation of N designs, each with what it worked out."""

    placed: Placed
    provisioned: Provisioned
    timed: Timed
    spent: Spent
    metrics: Metrics


@dataclass(frozen=True)
class Internals:
    """What the model worked out on the way: enough to build and program the chip."""

    mapping: Mapping
    dmem: FloatArray
    """[N, U, 4] byte, each distinct stage and band."""
    wmem: FloatArray
    imem: FloatArray
    dmem_need: FloatArray
    wmem_need: FloatArray
    contractions: timing.ContractionTime
    vectors: timing.VectorTime
    fabric: timing.Fabric
    cut: StageCut
    stage_cycles: FloatArray
    """[N, U]."""
    class_cycles: FloatArray
    """[N, C] cycles of one operator of each class of the workload."""
    class_energy_j: FloatArray
    """[N, C, 5] joule of one operator: the first five of ``ENERGY_PARTS``, at the supply."""
    logic: area.Logic

    @property
    def bands(self) -> Bands:
        """Rows of a stage by what runs on them."""
        return self.mapping.bands

    @property
    def sizes(self) -> TileSizes:
        """Sizes of the tiles of each band."""
        return self.mapping.sizes


class PPAModel:
    """Evaluates designs; pure and deterministic.

    Args:
        profile: The workload.
        technology: The node.
        conditions: Temperature, budgets, fixed clock.
    """

    def __init__(self, profile: Profile, technology: Technology, conditions: Conditions) -> None:
        self.profile = profile
        self.technology = technology
        self.conditions = conditions
        self._needs = precision.needs(profile)
        keep_memory()

    def evaluate(self, design: DesignBatch) -> Metrics:
        """Evaluates N designs, each with the stage cut and the clock that it asks for."""
        if len(design) <= _CHUNK:
            return self.stages(design).metrics
        starts = range(0, len(design), _CHUNK)
        return join([self.stages(design.take(slice(a, a + _CHUNK))).metrics for a in starts])

    def stages(self, design: DesignBatch) -> Evaluation:
        """Evaluates N designs in one batch and shows every stage."""
        node, conditions = self.technology, self.conditions
        placed = place(self.profile, design, self._needs, node)
        provisioned = provision(placed, conditions, node)
        timed = time(placed, provisioned, node)
        spent = spend(placed, provisioned, timed, conditions, node)
        metrics = operate(placed, provisioned, timed, spent, conditions, node)
        return Evaluation(placed, provisioned, timed, spent, metrics)

    def evaluate_equal_stages(self, design: DesignBatch) -> tuple[Metrics, Internals]:
        """Evaluates designs that all share one stage grid and balance, and shows the working."""
        work = self.stages(design)
        count = len(design)

        def by_stage(rows: FloatArray) -> FloatArray:
            return rows.reshape(count, -1, BANDS)

        memories, need, timed = work.provisioned.memories, work.placed.need, work.timed
        internals = Internals(
            mapping=work.placed.mapping,
            dmem=by_stage(memories.dmem),
            wmem=by_stage(memories.wmem),
            imem=by_stage(memories.imem),
            dmem_need=by_stage(need.dmem),
            wmem_need=by_stage(need.wmem),
            contractions=timed.contractions,
            vectors=timed.vectors,
            fabric=timed.fabric,
            cut=cut_of(self.profile, design, 0),
            stage_cycles=timed.stage_cycles.reshape(count, -1),
            class_cycles=timed.class_cycles,
            class_energy_j=work.spent.operators.by_class(self.profile, work.spent.supply),
            logic=work.placed.logic,
        )
        return work.metrics, internals
