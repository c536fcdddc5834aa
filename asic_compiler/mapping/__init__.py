"""How the operators of a workload fall on the tiles of N designs; no cost.

``profile`` is the workload as arrays. ``contractions`` and ``vectors`` are the rules by which
operators are cut, ``stages`` the pipeline, ``flow`` and ``values`` what moves, ``capacity`` what
tiles must hold. ``mapping`` joins them: the cost model, foresight, plans and tests share it.
"""
