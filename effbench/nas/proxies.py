"""Zero-cost proxies: numbers of an untrained network that are said to rank architectures; of any torch network.

Definitions follow "Zero-Cost Proxies for Lightweight NAS" (arXiv 2101.08134) unless said; sums run over the weights w of all
convolutions and linear layers, L is the cross-entropy of one batch. A layer that did not run has gradient 0. Where a
network has no ReLU, or its input does not reach its output, what needs that is NaN or -inf. ``every_proxy`` leaves a network
as it was found; under single functions a normalisation in training mode moves its statistics.

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
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from effbench.errors import BadInput
from effbench.nas.seen_layers import (
    Layer,
    Relus,
    by_sample,
    gradients_of,
    layers_of,
    log_of_change,
    logits_of,
    loss_of,
    pass_over_norms,
    read_at_the_end,
    remove,
    steady_copy,
    weights_of,
)

DEFINITIONS = 2
"""Raised where a proxy of some network becomes another number: what was kept under another one is not gone on with."""
JITTER = 1e-5
"""k of jacob_cov, the published one."""
ZEN_STEP, ZEN_REPEATS = 1e-2, 8  # the published step; repeats enough for three digits
TOGETHER = dict.fromkeys(("grad_norm", "plain", "snip"), "gradients")
"""Proxy -> the pass that makes it, of those that share one: who wants several pays for it once."""
COUNTED = "counts"
"""The group that is read off the network, without data."""


def of_gradients(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """Return grad_norm, snip and plain, of one backward pass."""
    weights = weights_of(network)
    gradients = gradients_of(loss_of(network, images, labels), weights)
    products = [(w * g).detach() for w, g in zip(weights, gradients)]
    return {
        "grad_norm": sum(float(g.norm()) for g in gradients),
        "snip": sum(float(p.abs().sum()) for p in products),
        "plain": sum(float(p.sum()) for p in products),
    }


def grasp(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the sum of -w (H g), by a second backward pass of <stop(g), g>."""
    weights = weights_of(network)
    with sdpa_kernel(SDPBackend.MATH):  # the others have no second derivative
        gradients = gradients_of(loss_of(network, images, labels), weights, create_graph=True)
        product = torch.stack([(g.detach() * g).sum() for g in gradients]).sum()
        curved = gradients_of(product, weights)
    return -sum(float((w * h).detach().sum()) for w, h in zip(weights, curved))


def fisher(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the Fisher score of every layer's output, a channel counted once per weight that makes it.

    Raises ``BadInput`` where a layer runs without a gradient, or not along the samples.
    """
    ran: list[tuple[Layer, torch.Tensor]] = []

    def keep(layer: Layer, _given: Any, output: torch.Tensor) -> torch.Tensor:
        ran.append((layer, by_sample(output, len(images))))
        return output.clone()  # a ReLU in place would overwrite what is kept

    hooks = [layer.register_forward_hook(keep) for layer in layers_of(network)]
    try:
        loss = loss_of(network, images, labels)
    finally:
        remove(hooks)
    if not all(output.requires_grad for _, output in ran):
        raise BadInput(f"a layer of {type(network).__name__} runs without gradients, which proxies are made of")
    gradients = gradients_of(loss, [output for _, output in ran])
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

    Kept normalisation is that of training mode, by the one input's own statistics; NaN where it has one value a channel.
    """
    layers_of(network)
    positive = copy.deepcopy(network).double().train()
    with torch.no_grad():
        for tensor in positive.state_dict().values():
            if tensor.is_floating_point():
                tensor.abs_()
    if not keep_norm:
        pass_over_norms(positive)
    try:
        flow = logits_of(positive, torch.ones_like(images[:1], dtype=torch.float64)).sum()
    except ValueError as error:
        if keep_norm and "more than 1 value per channel" in str(error):
            return float("nan")
        raise
    weights = weights_of(positive)
    return sum(float((w * g).detach().abs().sum()) for w, g in zip(weights, gradients_of(flow, weights)))


def jacob_cov(network: nn.Module, images: torch.Tensor) -> float:
    """Return how unlike the samples' input gradients are; NaN where one of them does not vary."""
    given = images.detach().clone().requires_grad_()
    (gradients,) = gradients_of(logits_of(network, given).sum(), [given])
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
    with torch.no_grad(), Relus() as seen:
        network(images.clone())
        if not seen.inputs:
            return float("nan")
        for given in seen.inputs:
            on = (by_sample(given, len(images)) > 0).reshape(len(images), -1).double()
            agree += on @ on.T + (1 - on) @ (1 - on).T
    sign, logdet = torch.linalg.slogdet(agree)
    return float(logdet) if sign > 0 else float("-inf")


def zen(network: nn.Module, images: torch.Tensor, generator: torch.Generator, repeats: int = ZEN_REPEATS) -> float:
    """Return the Zen score on Gaussian inputs of the images' shape, the mean over repeats of weights and inputs.

    -inf where a change of the input does not reach the classifier, or a normalisation is given a constant; NaN where a
    network without normalisation is so deep that it overflows. All is drawn where the generator lives, so a seed draws the
    same on every device. What the classifier reads is what the layer that runs last is given.
    """
    made = steady_copy(network)

    def drawn(shape: torch.Size) -> torch.Tensor:
        return torch.randn(shape, generator=generator, device=generator.device).to(images.device)

    found = []
    for _ in range(repeats):
        with torch.no_grad():
            for weight in weights_of(made):
                weight.copy_(drawn(weight.shape))
            noise = drawn(images.shape)
            moved = noise + ZEN_STEP * drawn(images.shape)
            first, deviations = read_at_the_end(made, noise)
            second, _ = read_at_the_end(made, moved)
            found.append(sum(map(log_of_change, [float((first - second).abs().mean()), *deviations])))
    return sum(found) / len(found)


def counts(network: nn.Module, images: torch.Tensor) -> dict[str, float]:
    """Return parameters, FLOPs of one sample, and ReLU calls of one forward pass."""
    layers_of(network)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        copy.deepcopy(network).eval()(images[:1].clone())
    with torch.no_grad(), Relus() as seen:
        copy.deepcopy(network).eval()(images[:1].clone())
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

    Networks are taken in training mode, as they are when built, but for what would draw or move: dropout keeps everything,
    and normalisation statistics stay. What a network draws by itself is drawn from the generator's seed.
    """
    whole = steady_copy(network)

    def still(name: str, values: Callable[[], dict[str, float]]) -> tuple[str, Callable[[], dict[str, float]]]:
        def compute() -> dict[str, float]:
            with torch.random.fork_rng([images.device] if images.is_cuda else []):
                torch.manual_seed(generator.initial_seed())
                return values()

        return name, compute

    def one(name: str, value: Callable[[], float]) -> tuple[str, Callable[[], dict[str, float]]]:
        return still(name, lambda: {name: value()})

    yield still(TOGETHER["snip"], lambda: of_gradients(whole, images, labels))
    yield one("grasp", lambda: grasp(whole, images, labels))
    yield one("fisher", lambda: fisher(whole, images, labels))
    yield one("synflow", lambda: synflow(whole, images))
    yield one("synflow_bn", lambda: synflow(whole, images, keep_norm=True))
    yield one("jacob_cov", lambda: jacob_cov(whole, images))
    yield one("naswot", lambda: naswot(whole, images))
    yield one("zen", lambda: zen(whole, images, generator, zen_repeats))
    yield still(COUNTED, lambda: counts(whole, images))
