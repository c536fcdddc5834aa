"""Models of one's own, and what happens when they cannot be lowered."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends import ImportSpec, TensorRequest, import_model
from asic_compiler.tensors.files import TensorFile

MODELS = '''\
import torch
from torch import nn


class Mixed(nn.Module):
    """Parameters, buffers of several kinds, a constant and a weight used twice."""

    example_inputs = (torch.zeros(4, 8),)

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.again = self.linear
        self.register_buffer("flags", torch.tensor([True, False] * 4))
        self.register_buffer("scale", torch.tensor(3.0))
        self.register_buffer("offset", torch.ones(8, dtype=torch.bfloat16))

    def forward(self, x):
        return torch.where(self.flags, self.again(self.linear(x)) * self.scale, 0.0) + self.offset


def as_tuple():
    return Mixed(), (torch.zeros(4, 8),)


def alone():
    return Mixed()


def inputs():
    return torch.zeros(2, 8)


instance = Mixed()


class ReadsWeights(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.peak = float(self.linear.weight.detach().abs().max())

    def forward(self, x):
        return self.linear(x) / self.peak


class DerivesBuffer(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.register_buffer("doubled", self.linear.weight.detach() * 2)

    def forward(self, x):
        return self.linear(x) @ self.doubled


def derives_buffer():
    return DerivesBuffer(), (torch.zeros(4, 8),)


class Scalars(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("real", torch.tensor(1.5, dtype=torch.bfloat16))
        self.register_buffer("whole", torch.tensor([3]))
        self.register_buffer("yes", torch.tensor(True))
        self.steps = torch.tensor([1.0, 2.0], dtype=torch.bfloat16)

    def forward(self, x):
        return torch.where(self.yes, x * self.real * self.whole, x) + self.steps


def scalars():
    return Scalars(), (torch.zeros(2, dtype=torch.bfloat16),)


def reads_weights():
    return ReadsWeights(), (torch.zeros(4, 8),)


class TwoUnsupported(nn.Module):
    def forward(self, x):
        y = torch.lgamma(x) + torch.relu(x)
        q, r = torch.linalg.qr(y)
        return q + r + torch.lgamma(q)


def two_unsupported():
    return TwoUnsupported(), (torch.zeros(4, 4),)


@torch.library.custom_op("asic_test::opaque", mutates_args=())
def opaque(x: torch.Tensor) -> torch.Tensor:
    return x.clone()


@opaque.register_fake
def _(x):
    return torch.empty_like(x)


class ControlFlow(nn.Module):
    def forward(self, x):
        y = torch.cond(x.sum() > 0, lambda x: x.sin(), lambda x: x.cos(), (x,))
        return opaque(y), torch.cat(torch.split(torch.relu(x), 2))


def control_flow():
    return ControlFlow(), torch.zeros(4, 4)


class DataDependent(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x
        return -x


def data_dependent():
    return DataDependent(), torch.zeros(4)


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(2))

    def forward(self, x):
        self.seen.add_(x)
        return self.seen * 2


def counter():
    return Counter(), torch.zeros(2)


def raises():
    raise KeyError("no such layer")


def not_a_module():
    return 3, (torch.zeros(1),)


def no_tensors():
    return Mixed(), (1, 2)


def strange_inputs():
    return Mixed(), 5


def without_inputs():
    return nn.Linear(2, 2)
'''


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the models above; sys.path and modules are put back."""
    (tmp_path / "own_models.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.delitem(sys.modules, "own_models", raising=False)
    # A custom operator can be registered only once in a process.
    if registered:
        source = MODELS.replace("asic_test::opaque", f"asic_test::opaque{len(registered)}")
        (tmp_path / "own_models.py").write_text(source)
    registered.append(None)
    yield tmp_path
    sys.modules.pop("own_models", None)
    sys.modules.pop("own_results", None)


registered: list[None] = []


def refused(model: str, **options: object) -> UserError:
    with pytest.raises(UserError) as caught:
        import_model(ImportSpec(model, **options))
    return caught.value


@pytest.mark.parametrize("factory", ["as_tuple", "alone", "instance", "Mixed", "alone:inputs"])
def test_every_way_to_give_a_module_and_inputs(here: Path, factory: str):
    model = import_model(ImportSpec(f"own_models:{factory}"))
    assert set(model.parameters) == {"linear.weight", "linear.bias"}
    assert set(model.buffers) == {"flags", "scale", "offset"}
    assert model.arguments[0].name == "x"
    batch = 2 if factory.endswith("inputs") else 4
    assert (model.workload.batch, model.workload.phase) == (batch, "inference")
    assert 'flags: "0x' in model.text
    assert "dense_resource<linear.weight>" in model.text
    assert 'linear.weight: "0x' not in model.text


def test_a_factory_that_needs_real_weights(here: Path):
    model = import_model(ImportSpec("own_models:reads_weights"))
    assert set(model.parameters) == {"linear.weight", "linear.bias"}
    assert 'linear.weight: "0x' not in model.text


def test_a_buffer_computed_from_a_weight_keeps_its_data(here: Path):
    model = import_model(ImportSpec("own_models:derives_buffer"))
    assert set(model.buffers) == {"doubled"}
    assert 'doubled: "0x04000000' in model.text
    assert 'linear.weight: "0x' not in model.text


def test_one_element_buffers_are_values_in_the_text(here: Path):
    text = import_model(ImportSpec("own_models:scalars")).text
    assert "dense<1.500000e+00> : tensor<bf16>" in text
    assert re.search(r"value = (dense<3> : tensor<1xi64>|3 : i64)", text)
    assert '"0x02000000803F0040"' in text


def test_the_element_type_of_a_factory(here: Path):
    model = import_model(ImportSpec("own_models:as_tuple", dtype="bf16"))
    assert {info.element_type for info in model.parameters.values()} == {"bf16"}
    assert model.argument_types == ("tensor<4x8xbf16>",)


def test_all_unsupported_operators_are_listed_with_their_lines(here: Path):
    error = refused("own_models:two_unsupported", reproducer=str(here / "kept.mlir"))
    assert error.message == "2 operators cannot be lowered: aten.lgamma, aten.linalg_qr"
    lines = MODELS.splitlines()
    first = lines.index("        y = torch.lgamma(x) + torch.relu(x)") + 1
    lgamma, qr, kept = error.notes
    file = here / "own_models.py"
    assert lgamma.startswith(f"{file}:{first}: aten.lgamma: ")
    assert f"also at {file}:{first + 2}" in lgamma
    assert qr.startswith(f"{file}:{first + 1}: aten.linalg_qr: ")
    assert "kept.mlir" in kept


def test_the_reproducer_reproduces(here: Path):
    refused("own_models:two_unsupported", reproducer=str(here / "kept.mlir"))
    command = (here / "kept.mlir").read_text().splitlines()[0].removeprefix("// ")
    tool = Path(sys.executable).parent
    done = subprocess.run(
        f"{tool}/{command}", shell=True, cwd=here, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "lgamma" in done.stderr


def test_what_the_importer_itself_rejects_is_listed_too(here: Path):
    error = refused("own_models:control_flow", reproducer=str(here / "kept.mlir"))
    assert error.message.startswith("2 operators cannot be lowered: cond, asic_test.opaque")


def test_a_model_that_cannot_be_traced_points_at_its_line(here: Path, capfd):
    error = refused("own_models:data_dependent")
    assert "data-dependent" in error.message
    assert error.location.line == MODELS.splitlines().index("        if x.sum() > 0:") + 1
    assert capfd.readouterr().err == ""


RESULTS = """\
import torch


class Of(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Cache:
    pass  # an object, as Hugging Face's caches are


def write(x):
    x[0] = 1.0
    return x * 2


def of(function, *inputs):
    return lambda: (Of(function), inputs or (torch.arange(4.0),))


mixed = of(lambda x: {"a": (None, x * 2), "b": 7, "c": [x + 1, x.shape[0]]})
cached = of(lambda x: {"logits": x * 2, "cache": Cache()})
chosen = of(lambda x: (x[x > 1] * 2, torch.nonzero(x)))
nothing = of(lambda x: None)
writes = of(write)
narrow = of(lambda x: x.int() * 2, torch.tensor([1, 65535], dtype=torch.uint16))
pairs = of(lambda x: torch.view_as_complex(x), torch.ones(3, 2))
"""


def test_results_that_are_no_tensors_are_left_out_with_a_note(here: Path):
    # They made torch-mlir fail, or the names of the results too many.
    (here / "own_results.py").write_text(RESULTS)
    model = import_model(ImportSpec("own_results:mixed"), tensors=TensorRequest(here / "run"))
    assert model.result_types == ("tensor<4xf32>", "tensor<4xf32>")
    assert [note.split(",")[0] for note in model.notes] == [
        "result 0 is None",
        "result 2 is 7",
        "result 4 is 4",
    ]
    reference = TensorFile(here / "run" / "reference.safetensors")
    assert reference["output_1"].tolist() == [1, 2, 3, 4]


def test_objects_among_the_results_are_left_out_with_a_note(here: Path):
    # Hugging Face models return their caches: torch.export refused them as unknown types.
    (here / "own_results.py").write_text(RESULTS)
    model = import_model(ImportSpec("own_results:cached"), tensors=TensorRequest(here / "run"))
    assert model.result_types == ("tensor<4xf32>",)
    assert model.notes == ("the result ['cache'] is a Cache, no tensor: it is left out",)
    reference = TensorFile(here / "run" / "reference.safetensors")
    assert reference["output_0"].tolist() == [0, 2, 4, 6]


def test_sizes_that_depend_on_numbers_are_all_told_at_their_lines(here: Path):
    # torch-mlir took minutes and 9 GB over them.
    (here / "own_results.py").write_text(RESULTS)
    error = refused("own_results:chosen")
    assert "the size of a tensor depends on numbers" in error.message
    assert error.message.endswith("aten.index.Tensor, aten.nonzero")
    assert error.location.file.endswith("own_results.py")
    assert error.notes[-1].startswith("write it with a fixed size")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("nothing", "the model returns no tensor"),
        # torch-mlir's importer said "copy.to_vtensor".
        ("writes", "writes to its input 'x': state must be an argument and a result"),
        ("narrow", "the argument 'x' has elements of type uint16, which programs lack"),
        ("pairs", "the result 'view_as_complex' has elements of type complex64"),
    ],
)
def test_what_no_program_takes_or_gives(here: Path, model: str, message: str):
    (here / "own_results.py").write_text(RESULTS)
    assert message in refused(f"own_results:{model}").message


def test_a_model_that_writes_to_its_buffers(here: Path):
    assert "writes to its buffer 'seen'" in refused("own_models:counter").message


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("own_models:nothing", "'own_models' has no 'nothing'"),
        ("own_modles:alone", "no Python module named 'own_modles'"),
        ("own_models:raises", "KeyError: 'no such layer'"),
        ("own_models:not_a_module", "gave a int, not a torch.nn.Module"),
        ("own_models:no_tensors", "no tensor among the example inputs"),
        ("own_models:strange_inputs", "no tuple of tensors"),
        ("own_models:without_inputs", "gave a Linear without example inputs"),
        ("own_models:", "is not package.module:factory"),
        ("a:b:c:d", "is not package.module:factory"),
    ],
)
def test_what_a_factory_can_get_wrong(here: Path, model: str, message: str):
    assert message in refused(model).message


def test_a_module_that_fails_to_import(here: Path):
    (here / "broken.py").write_text("x = 1\nimport missing_package\n")
    error = refused("broken:f")
    assert "ModuleNotFoundError" in error.message
    assert error.notes[0].endswith("broken.py:2")


def test_sizes_belong_to_the_factory(here: Path):
    assert "--batch has no meaning for a factory" in refused("own_models:alone", batch=2).message
