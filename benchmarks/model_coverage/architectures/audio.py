"""Models of sound and of series."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import transformers
from torch import nn

_WHISPER: dict[str, Any] = {
    **{"vocab_size": 256, "d_model": 64, "encoder_layers": 2, "decoder_layers": 2},
    **{"encoder_attention_heads": 4, "decoder_attention_heads": 4, "num_mel_bins": 20},
    **{"encoder_ffn_dim": 128, "decoder_ffn_dim": 128, "decoder_start_token_id": 1},
    **{"max_source_positions": 32, "max_target_positions": 32},
    **{"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2},
}
_WAV2VEC: dict[str, Any] = {
    **{"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "vocab_size": 32},
    **{"num_attention_heads": 4, "conv_dim": [32, 32], "conv_kernel": [10, 3]},
    **{"conv_stride": [5, 2], "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4},
}


class Whisper(nn.Module):
    """Encoder and one decoder step over some tokens."""

    def __init__(self) -> None:
        super().__init__()
        config = transformers.WhisperConfig(**_WHISPER)
        self.model = transformers.WhisperForConditionalGeneration(config)

    def forward(self, features: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """The model, once."""
        return self.model(input_features=features, decoder_input_ids=ids, use_cache=False).logits


def _heard(config: str, model: str, **fields: Any) -> tuple[nn.Module, Any]:
    made = getattr(transformers, model)(getattr(transformers, config)(**fields))
    return made, (torch.zeros(1, 400),)


def _keywords() -> tuple[nn.Module, Any]:
    layers = (
        *(nn.Conv1d(20, 32, 9, 2, 4), nn.BatchNorm1d(32), nn.ReLU()),
        *(nn.Conv1d(32, 32, 5, padding=4, dilation=2, groups=4), nn.ReLU(), nn.MaxPool1d(2)),
        *(nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, 12)),
    )
    return nn.Sequential(*layers), (torch.zeros(1, 20, 64),)


class Vocoder(nn.Module):
    """HiFi-GAN's: upsampling by transposed convolutions of normed weights."""

    def __init__(self) -> None:
        super().__init__()
        norm = torch.nn.utils.parametrizations.weight_norm
        self.up1 = norm(nn.ConvTranspose1d(20, 16, 8, 4, 2))
        self.up2 = norm(nn.ConvTranspose1d(16, 8, 4, 2, 1))
        self.res = norm(nn.Conv1d(8, 8, 3, padding=3, dilation=3))
        self.last = norm(nn.Conv1d(8, 1, 7, padding=3))
        self.act = nn.LeakyReLU(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The model, once."""
        x = self.up2(self.act(self.up1(x)))
        return torch.tanh(self.last(self.act(x + self.res(self.act(x)))))


class Recurrent(nn.Module):
    """The last state of a recurrent layer, classified."""

    def __init__(self, kind: type[nn.RNNBase], **options: Any) -> None:
        super().__init__()
        make: Any = kind
        self.layer = make(32, 48, batch_first=True, **options)
        self.head = nn.Linear(96 if options.get("bidirectional") else 48, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The model, once."""
        return self.head(self.layer(x)[0][:, -1])


def _series() -> torch.Tensor:
    return torch.zeros(1, 8, 32)


FACTORIES: dict[str, Callable[[], Any]] = {
    "whisper": lambda: (Whisper(), (torch.zeros(1, 20, 64), torch.arange(8)[None])),
    "wav2vec2": partial(_heard, "Wav2Vec2Config", "Wav2Vec2ForCTC", **_WAV2VEC),
    "hubert": partial(_heard, "HubertConfig", "HubertForCTC", **_WAV2VEC),
    "keyword_spotting": _keywords,
    "vocoder": lambda: (Vocoder(), (torch.zeros(1, 20, 12),)),
    "lstm": lambda: (Recurrent(nn.LSTM), (_series(),)),
    "lstm_bidirectional": lambda: (Recurrent(nn.LSTM, bidirectional=True), (_series(),)),
    "gru": lambda: (Recurrent(nn.GRU), (_series(),)),
    "rnn": lambda: (Recurrent(nn.RNN), (_series(),)),
}
