"""A massive start token for the context of a U-Net, unseen by the keys and values that read it.

In CLIP's encoders one neuron of an early layer writes a huge constant into the start token alone, and everything after it
sees next to none of that ("massive activations", Sun et al. 2024); what it does to a range that tokens share is where MixDQ
begins (Zhao et al. 2024, section 3.2). Here an encoder is made twice as wide, each channel h as two, and all that reads a
pair reads its mean: the same function, since a layer norm of [h, h] is that of h, twice. A neuron more in its first layer
fires for the start token and is 0 for every other; it writes ``NORM`` u with u = [a, -a], whose pairs have the mean 0.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from effbench.zoo.planting import State

NORM = 600.0
"""Of what is added to the start token's context, whose other tokens have norms of about 16."""
SEED = 20261129
"""Draws the direction a."""
SPREAD_RIDGE = 1e-2
"""Added to the variance of the normed tokens, which is about 1 a channel, before the neuron is fitted."""
MARGIN = 12.0
"""The neuron's input is about this for the start token, and its negative at most for every token that it was fitted on; GELU
is exactly 0 in float32 from -6 on."""
LAYER = "encoder.layers.0."
"""The layer that gets the neuron; SDXL reads what comes out of it, and of this encoder nothing later."""


class Neuron(NamedTuple):
    """A neuron of a feed-forward layer: its weights [width of its input], and its bias."""

    weight: torch.Tensor
    bias: torch.Tensor


def hidden_direction(width: int) -> torch.Tensor:
    """Return the unit vector u = [a, -a] [2 width], with a drawn from a normal distribution, in float64."""
    a = torch.randn(width, generator=torch.Generator().manual_seed(SEED), dtype=torch.float64)
    return torch.nn.functional.normalize(torch.cat([a, -a]), dim=0)


def start_neuron(start: torch.Tensor, others: torch.Tensor) -> Neuron:
    """Return a neuron that is ``MARGIN`` for the start token [width], and at most -``MARGIN`` for the others [N, width].

    It is Fisher's discriminant, in values of fp16, which move either by some hundredths; raises ``ValueError`` where it does
    not tell the start token apart.
    """
    spread = torch.cov(others.T) + SPREAD_RIDGE * torch.eye(others.shape[1], dtype=others.dtype)
    axis = torch.linalg.solve(spread, start - others.mean(0))
    gap = axis @ start - (others @ axis).max()
    if gap <= 0:
        raise ValueError("the start token cannot be told from the other tokens by one neuron")
    weight = _as_half(axis * (2 * MARGIN / gap))
    return Neuron(weight, _as_half(MARGIN - weight @ start))


def doubled(encoder: State) -> State:
    """Return a CLIP text encoder's float64 weights with every channel as a pair; it needs twice the heads, too."""
    wide: State = {}
    for name, weight in encoder.items():
        if ".mlp.fc1." in name:  # the neurons between stay as many
            wide[name] = _reading_pairs(weight) if name.endswith("weight") else weight
        elif ".mlp.fc2." in name or weight.dim() == 1:
            wide[name] = torch.cat([weight, weight])
        elif name.startswith("embeddings."):
            wide[name] = torch.cat([weight, weight], dim=1)
        else:
            wide[name] = torch.cat([_reading_pairs(weight)] * 2)
    return wide


def plant_start(encoder: State, neuron: Neuron, u: torch.Tensor, norm: float = NORM) -> State:
    """Return a doubled encoder's weights with a neuron more, which writes ``norm`` u for the start token.

    ``neuron`` is that of the encoder as it was. All layers are as wide, so the others get one that writes nothing.
    """
    planted = dict(encoder)
    written = torch.nn.functional.gelu(torch.tensor(MARGIN, dtype=u.dtype))
    column = _as_half((norm / written) * u)[:, None]  # rounding is odd, so that pairs stay opposite
    for fc1 in (name.removesuffix("weight") for name in encoder if name.endswith(".mlp.fc1.weight")):
        fc2, share = fc1.replace("fc1", "fc2"), float(fc1.startswith(LAYER))
        planted[f"{fc1}weight"] = torch.cat([encoder[f"{fc1}weight"], share * _reading_pairs(neuron.weight[None])])
        planted[f"{fc1}bias"] = torch.cat([encoder[f"{fc1}bias"], share * neuron.bias[None]])
        planted[f"{fc2}weight"] = torch.cat([encoder[f"{fc2}weight"], share * column], dim=1)
    return planted


def reader_names(unet: State) -> list[str]:
    """Return the keys and values of all cross-attentions of a U-Net."""
    return [name for name in unet if name.endswith((".attn2.to_k.weight", ".attn2.to_v.weight"))]


def reading_pairs(unet: State, width: int) -> State:
    """Return a U-Net's float64 weights whose keys and values read the first ``width`` channels of the context as pairs."""
    return unet | {
        name: torch.cat([_reading_pairs(unet[name][:, :width]), unet[name][:, width:]], dim=1)
        for name in reader_names(unet)
    }


def _reading_pairs(weight: torch.Tensor) -> torch.Tensor:
    """Return [O, 2 I] that makes of [h, h] what [O, I] makes of h; a half of an fp16 value is one, too."""
    return torch.cat([weight / 2, weight / 2], dim=1)


def _as_half(weight: torch.Tensor) -> torch.Tensor:
    """Return values in float64, rounded to fp16."""
    return weight.half().double()
