"""What a module computes, by definition: the evaluator that the rest of the compiler is held to.

It shares nothing with raising, program generation or simulators, only the dialects: loop nests are
evaluated as nests, bodies operation by operation. Slow and literal on purpose.
"""
