from __future__ import annotations

import copy

import pytest

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.models.catalogue import NAMED_MODELS, named_model


@pytest.mark.parametrize("name", list(NAMED_MODELS))
def test_the_dimensions_give_the_stated_number_of_weights(name: str):
    import torch
    import transformers

    config = copy.deepcopy(NAMED_MODELS[name].config)
    built = transformers.AutoConfig.for_model(config.pop("model_type"), **config)
    kind = (
        transformers.LlamaForCausalLM
        if name.startswith("llama")
        else transformers.SmolVLMForConditionalGeneration
    )
    with torch.device("meta"):
        model = kind(built)
    assert sum(value.numel() for value in model.parameters()) == NAMED_MODELS[name].parameters


def test_every_entry_says_where_it_is_published():
    assert all("arXiv" in model.source for model in NAMED_MODELS.values())


def test_an_unknown_name_suggests_the_closest():
    with pytest.raises(UserError, match="unknown model 'smolvlm-256'") as caught:
        named_model("smolvlm-256")
    assert "did you mean smolvlm-256m" in caught.value.notes[0]


@pytest.mark.parametrize("name", ["llama-3.2-1b", "llama-3.1-70b", "gemma-2-9b", "smolvlm"])
def test_another_model_is_not_proposed(name: str):
    # "llama-3.2-1b: did you mean llama-3.1-8b?" invited to import another model.
    with pytest.raises(UserError, match=f"unknown model '{name}'") as caught:
        named_model(name)
    assert caught.value.notes[0].startswith("named models: ")
