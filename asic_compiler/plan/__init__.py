"""A design spelled out: the chip, and where and when every operator runs.

``plan`` and ``schedule`` are plain facts, ``make`` joins what mapping and costs say of one design,
and ``attributes`` writes a plan into the IR and reads it back.
"""
