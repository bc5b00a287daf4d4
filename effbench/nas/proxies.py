"""Zero-cost proxies: numbers of an untrained network that are said to rank architectures; of any torch network.

Definitions follow "Zero-Cost Proxies for Lightweight NAS" (arXiv 2101.08134) unless said; sums run over the weights w of all
convolutions and linear layers, L is the cross-entropy of one batch. A network is left as it was found. A layer that did not
run has gradient 0. Where a network has no ReLU, or its input does not reach its output, what needs that is NaN or -inf.

    grad_norm    sum of ||dL/dw|| over layers           snip         sum of |w dL/dw|
    plain        sum of w dL/dw                         grasp        sum of -w (H g), g = dL/dw and H its Hessian
    fisher       per channel of a layer's output z: (1/2) mean_n (sum_hw z dL/dz)^2, once per weight of the channel
    synflow      sum of |w dR/dw|, R the sum of the outputs on an input of ones, all state made absolute, in float64,
                 batch normalisation passed over; synflow_bn keeps it
    jacob_cov    -sum(log(v + k) + 1 / (v + k)) over eigenvalues v of the correlations between the samples' gradients of the
                 summed logits with respect to the input
    naswot       log|K_H|, K_H the number of units whose ReLU two samples agree on (arXiv 2006.04647, v3)
    zen          log of the mean change of what the classifier reads under a small change of a Gaussian input, plus the logs
                 of the batch-normalised deviations, with Gaussian weights (arXiv 2102.01063)
    parameters, flops, relus    counts; FLOPs of one sample, ReLU calls of one forward pass
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from effbench.errors import BadInput

JITTER = 1e-5
"""k of jacob_cov, the published one."""
ZEN_STEP, ZEN_REPEATS = 1e-2, 8  # the published step; repeats enough for three digits
RELUS = (torch.ops.aten.relu.default, torch.ops.aten.relu_.default)
CLIPS = (torch.ops.aten.hardtanh.default, torch.ops.aten.hardtanh_.default)
"""What a ReLU6 runs as; a ReLU where it clips at 0 from below."""

TOGETHER = dict.fromkeys(("grad_norm", "plain", "snip"), "gradients")
"""Proxy -> the pass that makes it, of those that share one: who wants several pays for it once."""
COUNTED = "counts"
"""The group that is read off the network, without data."""

Layer = _ConvNd | nn.Linear


def layers_of(network: nn.Module) -> list[Layer]:
    """Return the convolutions of any dimension and the linear layers, in the order of registration.

    Raises ``BadInput`` for a network without any, and for weights with respect to which nothing can be derived: their
    gradients would be zeros that say nothing.
    """
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


def logits_of(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return logits [B, classes], whatever axes of length 1 the network leaves between the two."""
    logits: torch.Tensor = network(images)
    return logits.flatten(1)


def of_gradients(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """Return grad_norm, snip and plain, of one backward pass."""
    weights = [layer.weight for layer in layers_of(network)]
    gradients = _gradients(_loss(network, images, labels), weights)
    products = [(w * g).detach() for w, g in zip(weights, gradients)]
    return {
        "grad_norm": sum(float(g.norm()) for g in gradients),
        "snip": sum(float(p.abs().sum()) for p in products),
        "plain": sum(float(p.sum()) for p in products),
    }


def grasp(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the sum of -w (H g), by a second backward pass of <stop(g), g>."""
    weights = [layer.weight for layer in layers_of(network)]
    gradients = _gradients(_loss(network, images, labels), weights, create_graph=True)
    product = torch.stack([(g.detach() * g).sum() for g in gradients]).sum()
    curved = _gradients(product, weights)
    return -sum(float((w * h).detach().sum()) for w, h in zip(weights, curved))


def fisher(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the Fisher score of every layer's output, a channel counted once per weight that makes it."""
    ran: list[tuple[Layer, torch.Tensor]] = []

    def keep(layer: Layer, _given: Any, output: torch.Tensor) -> torch.Tensor:
        ran.append((layer, output))
        return output.clone()  # a ReLU in place would overwrite what is kept

    hooks = [layer.register_forward_hook(keep) for layer in layers_of(network)]
    try:
        loss = _loss(network, images, labels)
    finally:
        _remove(hooks)
    gradients = _gradients(loss, [output for _, output in ran])
    total = 0.0
    for (layer, output), gradient in zip(ran, gradients):
        product = (output * gradient).detach()
        by_channel = product.movedim(-1, 1) if isinstance(layer, nn.Linear) else product  # [B, C, ...]
        per_sample = by_channel.flatten(2).sum(2) if by_channel.ndim > 2 else by_channel
        channels = 0.5 * (per_sample**2).mean(0)  # [C]
        total += float(channels.sum()) * layer.weight.numel() / len(channels)
    return total


def synflow(network: nn.Module, images: torch.Tensor, *, keep_norm: bool = False) -> float:
    """Return synflow on one input of ones of the images' shape; ``keep_norm`` is the variant with batch normalisation.

    Kept normalisation is that of training mode, by the one input's own statistics.
    """
    positive = copy.deepcopy(network).double().train()
    with torch.no_grad():
        for tensor in positive.state_dict().values():
            tensor.abs_()
    if not keep_norm:
        _pass_over_norms(positive)
    weights = [layer.weight for layer in layers_of(positive)]
    flow = logits_of(positive, torch.ones_like(images[:1], dtype=torch.float64)).sum()
    gradients = _gradients(flow, weights)
    return sum(float((w * g).detach().abs().sum()) for w, g in zip(weights, gradients))


def jacob_cov(network: nn.Module, images: torch.Tensor) -> float:
    """Return how unlike the samples' input gradients are; NaN where one of them does not vary."""
    given = images.detach().clone().requires_grad_()
    (gradients,) = _gradients(logits_of(network, given).sum(), [given])
    rows = gradients.flatten(1).double()
    rows = rows - rows.mean(1, keepdim=True)
    norms = rows.norm(dim=1)
    if not (norms > 0).all():
        return float("nan")
    values = torch.linalg.eigvalsh((rows / norms[:, None]) @ (rows / norms[:, None]).T)
    values = values.clamp(min=0.0) + JITTER
    return -float((values.log() + 1 / values).sum())


def naswot(network: nn.Module, images: torch.Tensor) -> float:
    """Return log|K_H|; -inf where two samples switch every ReLU alike, NaN where no ReLU ran."""
    agree = torch.zeros(len(images), len(images), dtype=torch.float64, device=images.device)
    with torch.no_grad(), _Relus() as seen:
        network(images)
        if not seen.inputs:
            return float("nan")
        for given in seen.inputs:
            on = (given > 0).flatten(1).double()
            agree += on @ on.T + (1 - on) @ (1 - on).T
    sign, logdet = torch.linalg.slogdet(agree)
    return float(logdet) if sign > 0 else float("-inf")


def zen(network: nn.Module, images: torch.Tensor, generator: torch.Generator, repeats: int = ZEN_REPEATS) -> float:
    """Return the Zen score on Gaussian inputs of the images' shape, the mean over repeats of weights and inputs.

    -inf where a change of the input does not reach the classifier, or a normalisation is given a constant. All is drawn where
    the generator lives, so a seed draws the same on every device.
    """
    made = copy.deepcopy(network).train()

    def drawn(shape: torch.Size) -> torch.Tensor:
        return torch.randn(shape, generator=generator, device=generator.device).to(images.device)

    found = []
    for _ in range(repeats):
        with torch.no_grad():
            for layer in layers_of(made):
                layer.weight.copy_(drawn(layer.weight.shape))
            noise = drawn(images.shape)
            moved = noise + ZEN_STEP * drawn(images.shape)
            first, deviations = _read(made, noise)
            second, _ = _read(made, moved)
            changes = [float((first - second).abs().mean()), *deviations]
            found.append(sum(math.log(change) if change > 0 else -math.inf for change in changes))
    return sum(found) / len(found)


def counts(network: nn.Module, images: torch.Tensor) -> dict[str, float]:
    """Return parameters, FLOPs of one sample, and ReLU calls of one forward pass."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        copy.deepcopy(network).eval()(images[:1])
    with torch.no_grad(), _Relus() as seen:
        copy.deepcopy(network).eval()(images[:1])
    return {
        "parameters": float(sum(p.numel() for p in network.parameters())),
        "flops": float(counter.get_total_flops()),
        "relus": float(len(seen.inputs)),
    }


def every_proxy(
    network: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    generator: torch.Generator,
    zen_repeats: int = ZEN_REPEATS,
) -> Iterator[tuple[str, Callable[[], dict[str, float]]]]:
    """Yield name and computation of every group of proxies, so that who runs them can time each.

    Networks are taken in training mode, as they are when built; normalisation statistics do not move.
    """
    whole = copy.deepcopy(network).train()
    for module in whole.modules():
        if isinstance(module, _BatchNorm):
            module.momentum = 0.0

    def one(name: str, value: Callable[[], float]) -> tuple[str, Callable[[], dict[str, float]]]:
        return name, lambda: {name: value()}

    yield TOGETHER["snip"], lambda: of_gradients(whole, images, labels)
    yield one("grasp", lambda: grasp(whole, images, labels))
    yield one("fisher", lambda: fisher(whole, images, labels))
    yield one("synflow", lambda: synflow(whole, images))
    yield one("synflow_bn", lambda: synflow(whole, images, keep_norm=True))
    yield one("jacob_cov", lambda: jacob_cov(whole, images))
    yield one("naswot", lambda: naswot(whole, images))
    yield one("zen", lambda: zen(whole, images, generator, zen_repeats))
    yield COUNTED, lambda: counts(whole, images)


class _Relus(TorchDispatchMode):
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


def _gradients(value: torch.Tensor, of: Sequence[torch.Tensor], create_graph: bool = False) -> list[torch.Tensor]:
    """Return d value / d tensor of each; zeros where the value does not depend on it."""
    if not value.requires_grad:
        return [torch.zeros_like(tensor) for tensor in of]
    return list(torch.autograd.grad(value, of, create_graph=create_graph, materialize_grads=True))


def _loss(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(logits_of(network, images), labels)


def _read(network: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, list[float]]:
    """Return what the layer that runs last is given, and the deviation of what every batch normalisation is given."""
    given: list[torch.Tensor] = []
    deviations: list[float] = []
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    hooks: list[Any] = [
        layer.register_forward_pre_hook(lambda _m, x: given.append(x[0])) for layer in layers_of(network)
    ]
    hooks += [norm.register_forward_pre_hook(lambda _m, x: deviations.append(_deviation(x[0]))) for norm in norms]
    try:
        network(images)
    finally:
        _remove(hooks)
    return given[-1], deviations


def _deviation(given: torch.Tensor) -> float:
    rest = [axis for axis in range(given.ndim) if axis != 1]
    return float(given.var(rest, unbiased=False).mean().sqrt())


def _pass_over_norms(network: nn.Module) -> None:
    for parent in network.modules():
        for name, child in parent.named_children():
            if isinstance(child, _BatchNorm):
                setattr(parent, name, nn.Identity())


def _remove(hooks: list[Any]) -> None:
    for hook in hooks:
        hook.remove()
