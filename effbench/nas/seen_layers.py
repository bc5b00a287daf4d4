"""What proxies see of a network: layers and weights, logits, derivatives, normalisations, and where ReLUs switch."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd
from torch.utils._python_dispatch import TorchDispatchMode

from effbench.errors import BadInput

RELUS = (torch.ops.aten.relu.default, torch.ops.aten.relu_.default)
CLIPS = (torch.ops.aten.hardtanh.default, torch.ops.aten.hardtanh_.default)
"""What a ReLU6 runs as; a ReLU where it clips at 0 from below."""
UNSEEN = (nn.MultiheadAttention, nn.RNNBase, nn.RNNCellBase)
"""Modules whose products are of bare parameters, which no hook and no sum over layers sees."""

Layer = _ConvNd | nn.Linear


def layers_of(network: nn.Module) -> list[Layer]:
    """Return the convolutions of any dimension and the linear layers, in the order of registration.

    Raises ``BadInput`` for a network without any, for one with products that would be passed over (``UNSEEN``), and for
    weights with respect to which nothing can be derived: their gradients would be zeros that say nothing.
    """
    for name, module in network.named_modules():
        if isinstance(module, UNSEEN):
            raise BadInput(
                f"{name or 'the network'} is a {type(module).__name__}, whose products proxies do not see; write it with "
                "linear layers"
            )
    named = {name: module for name, module in network.named_modules() if isinstance(module, _ConvNd | nn.Linear)}
    if not named:
        raise BadInput(
            f"{type(network).__name__} has neither a convolution nor a linear layer, which proxies are sums over"
        )
    for name, layer in named.items():
        if not isinstance(layer.weight, nn.Parameter) or not layer.weight.requires_grad:
            raise BadInput(
                f"the weight of layer {name!r} is frozen or computed from others (a parametrisation); proxies are derived "
                "with respect to it: call requires_grad_(True), or remove the parametrisation"
            )
    return list(named.values())


def weights_of(network: nn.Module) -> list[torch.Tensor]:
    """Return the weights of the layers, one that several share once."""
    return list({id(layer.weight): layer.weight for layer in layers_of(network)}.values())


def logits_of(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return logits [B, classes], whatever axes of length 1 a network leaves behind them; ``BadInput`` for anything else."""
    logits = network(images.clone())  # a network may change what it is given
    if not isinstance(logits, torch.Tensor):
        raise BadInput(f"{type(network).__name__} returns a {type(logits).__name__}; proxies want its logits alone")
    logits = logits.flatten(1, 2) if logits.ndim > 2 and logits.shape[1] == 1 else logits
    if logits.ndim < 2 or len(logits) != len(images) or any(extent != 1 for extent in logits.shape[2:]):
        raise BadInput(
            f"{type(network).__name__} returns {list(logits.shape)} for {len(images)} samples; proxies want logits "
            "[samples, classes]"
        )
    return logits.flatten(1)


def loss_of(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of a batch."""
    return nn.functional.cross_entropy(logits_of(network, images), labels)


def gradients_of(value: torch.Tensor, of: Sequence[torch.Tensor], create_graph: bool = False) -> list[torch.Tensor]:
    """Return d value / d tensor of each; zeros where the value does not depend on it."""
    if not value.requires_grad:
        return [torch.zeros_like(tensor) for tensor in of]
    return list(torch.autograd.grad(value, of, create_graph=create_graph, materialize_grads=True))


def by_sample(output: torch.Tensor, samples: int) -> torch.Tensor:
    """Return what a layer gave or a ReLU was given, its first axis the samples; ``BadInput`` where those are elsewhere."""
    if output.ndim < 1 or len(output) != samples:
        raise BadInput(
            f"a layer works on {list(output.shape)} where {samples} samples were given; proxies want them on the first axis"
        )
    return output


def steady_copy(network: nn.Module) -> nn.Module:
    """Return a copy in training mode whose statistics do not move and whose dropout keeps everything."""
    layers_of(network)  # what it refuses cannot always be copied
    made = copy.deepcopy(network).train()
    for module in made.modules():
        if isinstance(module, _BatchNorm):
            module.momentum = 0.0
        elif isinstance(module, _DropoutNd):
            module.p = 0.0
    return made


def pass_over_norms(network: nn.Module) -> None:
    """Put nothing in the place of every batch normalisation."""
    for parent in network.modules():
        for name, child in list(parent._modules.items()):  # named_children leaves out a module's second name
            if isinstance(child, _BatchNorm):
                setattr(parent, name, nn.Identity())


def read_at_the_end(network: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, list[float]]:
    """Return what the layer that runs last is given, and the deviation of what every batch normalisation is given."""
    given: list[torch.Tensor] = []
    deviations: list[float] = []

    def first(args: tuple[Any, ...], named: dict[str, Any]) -> torch.Tensor:
        found: torch.Tensor = args[0] if args else next(iter(named.values()))
        return found

    def keep(_module: nn.Module, args: Any, named: Any) -> None:
        given.append(first(args, named))

    def measure(_module: nn.Module, args: Any, named: Any) -> None:
        deviations.append(_deviation(first(args, named)))

    hooks: list[Any] = [layer.register_forward_pre_hook(keep, with_kwargs=True) for layer in layers_of(network)]
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    hooks += [norm.register_forward_pre_hook(measure, with_kwargs=True) for norm in norms]
    try:
        network(images.clone())
    finally:
        remove(hooks)
    if not given:
        raise BadInput(
            f"none of the layers of {type(network).__name__} runs, so there is nothing that a classifier reads"
        )
    return given[-1], deviations


def _deviation(given: torch.Tensor) -> float:
    rest = [axis for axis in range(given.ndim) if axis != 1]
    return float(given.var(rest, unbiased=False).mean().sqrt())


def log_of_change(change: float) -> float:
    """Return the logarithm; -inf of no change, NaN where the network overflows."""
    return math.log(change) if 0 < change < math.inf else (-math.inf if change == 0 else math.nan)


def remove(hooks: Sequence[Any]) -> None:
    """Take hooks off again."""
    for hook in hooks:
        hook.remove()


class Relus(TorchDispatchMode):
    """Keeps what every ReLU was given, whether a module called it or a function."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.inputs: list[torch.Tensor] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in RELUS or (func in CLIPS and _clips_at_zero(*args, **(kwargs or {}))):
            self.inputs.append(args[0].clone())
        return func(*args, **(kwargs or {}))


def _clips_at_zero(_given: torch.Tensor, min_val: float = -1.0, max_val: float = 1.0) -> bool:
    return min_val == 0
