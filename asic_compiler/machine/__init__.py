"""The machine: facts that cost model, program generator, simulators and checks all obey.

The instruction set is the ``tcc`` dialect. What stands here is what its programs cost and occupy
whatever the chip: how instructions group work, what starting an operator takes, how memories are
laid out, which regions a stage has. A latency that depends on the process node belongs to
``technology``, a size that a design may choose to ``hardware``.
"""
