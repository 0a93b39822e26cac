"""BERT's forward pass as Hugging Face names its parts: what is shipped runs without importing all of ``transformers``.

Training loads any encoder through ``transformers``; a test holds this one against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F


class Hidden(NamedTuple):
    """The encoder's answer, ``(C, T, H)``."""

    last_hidden_state: Tensor


class Linear(nn.Linear):
    """Made without its random start, which takes seconds and is overwritten."""

    def reset_parameters(self) -> None:
        pass


class Embedding(nn.Embedding):
    """As ``Linear``."""

    def reset_parameters(self) -> None:
        pass


class Bert(nn.Module):
    """``config`` is a checkpoint's ``config.json``; the state's names are those of ``transformers.BertModel``.

    The weights are whatever memory held until a state is loaded.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width, inner, epsilon = config["hidden_size"], config["intermediate_size"], config["layer_norm_eps"]
        self.heads: int = config["num_attention_heads"]

        def closing(size: int) -> nn.ModuleDict:
            return nn.ModuleDict({"dense": Linear(size, width), "LayerNorm": nn.LayerNorm(width, epsilon)})

        def layer() -> nn.ModuleDict:
            own = nn.ModuleDict({name: Linear(width, width) for name in ("query", "key", "value")})
            return nn.ModuleDict(
                {
                    "attention": nn.ModuleDict({"self": own, "output": closing(width)}),
                    "intermediate": nn.ModuleDict({"dense": Linear(width, inner)}),
                    "output": closing(inner),
                }
            )

        self.embeddings: Any = nn.ModuleDict(
            {
                "word_embeddings": Embedding(config["vocab_size"], width),
                "position_embeddings": Embedding(config["max_position_embeddings"], width),
                "token_type_embeddings": Embedding(config["type_vocab_size"], width),
                "LayerNorm": nn.LayerNorm(width, epsilon),
            }
        )
        layers = nn.ModuleList(layer() for _ in range(config["num_hidden_layers"]))
        self.encoder: Any = nn.ModuleDict({"layer": layers})

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Hidden:
        """``input_ids`` and ``attention_mask`` (1: read, 0: padding) are ``(C, T)``."""
        part = self.embeddings
        places = part["position_embeddings"].weight[: input_ids.shape[1]]
        hidden = part["word_embeddings"](input_ids) + places + part["token_type_embeddings"].weight[0]
        hidden = part["LayerNorm"](hidden)
        seen = attention_mask.bool()[:, None, None, :]
        for layer in self.encoder["layer"]:
            attention, after = layer["attention"], layer["output"]
            query, key, value = (
                attention["self"][name](hidden).unflatten(-1, (self.heads, -1)).transpose(1, 2)
                for name in ("query", "key", "value")
            )
            told = F.scaled_dot_product_attention(query, key, value, attn_mask=seen).transpose(1, 2).flatten(2)
            hidden = attention["output"]["LayerNorm"](attention["output"]["dense"](told) + hidden)
            risen = F.gelu(layer["intermediate"]["dense"](hidden))
            hidden = after["LayerNorm"](after["dense"](risen) + hidden)
        return Hidden(hidden)
