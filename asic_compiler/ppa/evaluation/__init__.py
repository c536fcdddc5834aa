"""One evaluation of N designs in five stages, each a function from records to a frozen record.

``place`` maps the workload, ``provision`` gives tiles their memories and the chip its area and
fastest clock, ``time`` counts cycles, ``spend`` joule, and ``operate`` chooses the clock and says
what the chip does and what it violates.
"""
