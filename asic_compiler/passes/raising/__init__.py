"""How linalg becomes ``asic``: a graph of operators whose operands are views.

``views`` is the algebra of layouts, ``bodies`` the scalar code of vector operators, ``graph`` the
operators. ``builder`` fills a graph in one pass over a function (``generic``, ``named``,
``tensors`` each know some operations), ``fusion`` folds it, ``emission`` writes it back as IR.
"""
