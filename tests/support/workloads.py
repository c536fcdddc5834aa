"""Operator tables written down from a model's dimensions, for tests below the IR."""

from __future__ import annotations

import numpy as np

from asic_compiler.workload.table import BodyCost, OperatorClass, OperatorKind, OperatorTable


def transformer(
    *,
    layers: int = 32,
    hidden: int = 4096,
    heads: int = 32,
    kv_heads: int = 8,
    head_dim: int = 128,
    ffn: int = 14336,
    vocab: int = 128256,
    batch: int = 3,
    context: int = 2048,
    name: str = "llama",
) -> OperatorTable:
    """One decode step of a Llama-like model, with the operators of a good kernel."""

    def matmul(n: int, k: int) -> OperatorClass:
        return OperatorClass(
            OperatorKind.MATMUL, 1, batch, n, k,
            weight_bytes=2 * n * k, weight_read_bytes=2 * n * k,
            input_bytes=2 * batch * k, output_bytes=2 * batch * n,
        )  # fmt: skip

    def vector(
        elements: int, body: BodyCost, bits: int = 32, columns: int = 0, anchored: bool = False
    ) -> OperatorClass:
        rows = (1, elements // columns, columns) if columns else (1, batch, elements // batch)
        return OperatorClass(
            OperatorKind.ELEMENTWISE, elements=elements, body=body, element_bits=bits,
            input_bytes=2 * elements, output_bytes=2 * elements,
            space=softmax if anchored else rows, anchored=anchored,
        )  # fmt: skip

    kv = 2 * batch * kv_heads * context * head_dim
    group = heads // kv_heads
    scores = batch * heads * context
    softmax = (batch * kv_heads, group, context)
    norm = [
        OperatorClass(
            OperatorKind.REDUCTION, elements=batch * hidden, body=BodyCost(simple=1, multiply=1),
            element_bits=32, input_bytes=2 * batch * hidden, output_bytes=4 * batch,
            space=(1, batch, hidden),
        ),
        vector(batch * hidden, BodyCost(multiply=2, divide=1)),
    ]  # fmt: skip
    append = OperatorClass(
        OperatorKind.KV_APPEND, kv_bytes=kv, kv_write_bytes=2 * batch * kv_heads * head_dim,
        input_bytes=2 * batch * kv_heads * head_dim, elements=batch * kv_heads * head_dim,
        space=(1, batch * kv_heads, head_dim),
    )  # fmt: skip
    rope = vector(
        batch * (heads + kv_heads) * head_dim, BodyCost(simple=1, multiply=2), 16, head_dim
    )
    attention = [
        OperatorClass(
            OperatorKind.ATTENTION, batch * kv_heads, group, context, head_dim, kv_read_bytes=kv,
            input_bytes=2 * batch * heads * head_dim, output_bytes=2 * scores,
        ),
        OperatorClass(
            OperatorKind.REDUCTION, elements=scores, body=BodyCost(simple=2, multiply=1),
            element_bits=32, input_bytes=2 * scores, output_bytes=4 * batch * heads,
            space=softmax, anchored=True,
        ),
        OperatorClass(
            OperatorKind.REDUCTION, elements=scores, body=BodyCost(simple=2, transcendental=1),
            element_bits=32, input_bytes=2 * scores, output_bytes=4 * batch * heads,
            space=softmax, anchored=True,
        ),
        vector(scores, BodyCost(divide=1), anchored=True),
        OperatorClass(
            OperatorKind.ATTENTION, batch * kv_heads, group, head_dim, context, kv_read_bytes=kv,
            input_bytes=2 * scores, output_bytes=2 * batch * heads * head_dim,
        ),
    ]  # fmt: skip
    layer = [
        *norm,
        matmul(heads * head_dim, hidden),
        matmul(kv_heads * head_dim, hidden),
        matmul(kv_heads * head_dim, hidden),
        rope, append, append, *attention,
        matmul(hidden, heads * head_dim),
        *norm,
        matmul(ffn, hidden),
        matmul(ffn, hidden),
        vector(batch * ffn, BodyCost(simple=2, multiply=2, divide=1, transcendental=1)),
        matmul(hidden, ffn),
    ]  # fmt: skip
    embed = OperatorClass(
        OperatorKind.GATHER, elements=batch * hidden, weight_bytes=2 * vocab * hidden,
        weight_read_bytes=2 * batch * hidden, output_bytes=2 * batch * hidden,
        space=(1, batch, hidden),
    )  # fmt: skip
    return table([embed, *layer * layers, *norm, matmul(vocab, hidden)], name, batch, context)


def table(
    program: list[OperatorClass],
    name: str = "test",
    batch: int = 1,
    context: int = 0,
    phase: str = "decode",
) -> OperatorTable:
    """A straight-line program: each operator feeds the next."""
    classes = tuple(dict.fromkeys(program))
    sequence = np.array([classes.index(o) for o in program], dtype=np.int64)
    edges = np.array(
        [(i, i + 1, o.output_bytes) for i, o in enumerate(program[:-1])], dtype=np.int64
    ).reshape(-1, 3)
    return OperatorTable(
        name=name,
        phase=phase,
        batch=batch,
        context=context,
        tokens_per_step=batch,
        classes=classes,
        sequence=sequence,
        names=tuple(f"op{i}" for i in range(len(program))),
        edges=edges,
        peak_activation_bytes=2 * max((o.input_bytes + o.output_bytes for o in program), default=0),
    )
