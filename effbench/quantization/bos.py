"""The start token of a causal text encoder, which keeps its keys and values in float (MixDQ, arXiv 2405.17873).

In CLIP's encoders the first token's embedding has a magnitude of some 800 where the others have 10 to 15, and one range over
all tokens then has no codes left for the text. The encoder is causal and that token always the same, so its embedding is
the same for every prompt: keys and values of it are computed once, in float, and only the other tokens are quantized.

Whether an embedding is the same for every prompt is measured, not taken from an encoder's name: T5 sees the whole prompt at
every token. Guidance may bring a second one (SDXL gives zeros to the unconditional half), so a row's start token is
looked up among those that are known, and one that is not known is an error, never a wrong picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from effbench.api import Context, PluginError, Sample
from effbench.diffusion import DiffusionSystem

MOST_START_TOKENS = 2
"""One of each guided half: the empty prompt may be given another embedding than a text's first token."""
EPSILONS = 64
"""Rounding steps of its type by which a start token may differ from call to call: a product depends on its batch's size."""
LARGEST_TOLERANCE = 0.05
"""Of a start token's norm, whatever the type: prompts differ by more."""
SAMPLES_AT_ONCE = 4
"""Prompts of one batch while start tokens are looked for: a choice that bounds memory."""


class NoStartToken(PluginError):
    """The text that a denoiser attends to has no token that is the same for every prompt; the sentence says why."""


class StartTokens(nn.Module):
    """The known start tokens [V, C] of a denoiser's text, and which of them each row of the present call has."""

    def __init__(self, known: torch.Tensor) -> None:
        super().__init__()
        self.known: torch.Tensor
        self.register_buffer("known", known, persistent=False)
        self.rows: torch.Tensor | None = None
        """[B], set before every run of the denoiser."""

    def look_up(self, text: torch.Tensor) -> None:
        """Find the start token of each row of a text [B, T, C]; raise ``PluginError`` for one that is not known."""
        first = text[:, 0].float()  # [B, C]
        distance = (first[:, None] - self.known.float()).norm(dim=-1)  # [B, V]
        nearest, self.rows = distance.min(1)
        allowed = tolerance(text.dtype) * self.known.float().norm(dim=-1).max()
        if bool((nearest > allowed).any()):
            raise PluginError(
                "a prompt's start token is none of those that keys and values were computed for; "
                "the text encoder is another one, or not causal"
            )

    def watch(self, denoiser: nn.Module) -> None:
        """Look up the rows of every run of a denoiser before it begins."""
        denoiser.register_forward_pre_hook(
            lambda _, args, kwargs: self.look_up(text_of(args, kwargs)), with_kwargs=True
        )


class StartTokenLinear(nn.Module):
    """Keys or values [B, T, O] of a text [B, T, C]: those of token 0 from a table in float, the others from ``rest``."""

    def __init__(self, rest: nn.Module, table: torch.Tensor, tokens: StartTokens) -> None:
        super().__init__()
        self.rest = rest
        """What computes tokens 1 and on; replaced by a quantized layer."""
        self._tokens = [tokens]  # in a list, so that it is a part of the denoiser once and not of every layer
        self.table: torch.Tensor
        self.register_buffer("table", table, persistent=False)

    @classmethod
    def of(cls, layer: nn.Linear, tokens: StartTokens) -> StartTokenLinear:
        """Return the layer with the projections of the known start tokens."""
        with torch.no_grad():
            return cls(layer, layer(tokens.known.to(layer.weight.dtype)), tokens)

    def with_outputs_of(self, layers: Sequence[StartTokenLinear], rest: nn.Module) -> StartTokenLinear:
        """Return one layer with the outputs of several one after the other, whose other tokens ``rest`` computes."""
        return StartTokenLinear(rest, torch.cat([layer.table for layer in layers], -1), self._tokens[0])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the projection; raise ``PluginError`` for rows that are not those of the denoiser's text."""
        rows = self._tokens[0].rows
        if rows is None or len(rows) != len(x):
            raise PluginError(f"a text of {len(x)} rows reached the keys and values, the denoiser was given another")
        others = self.rest(x[:, 1:])
        y: torch.Tensor = others.new_empty(len(x), x.shape[1], others.shape[-1])
        y[:, 0], y[:, 1:] = self.table[rows].to(y.dtype), others
        return y


def text_of(args: Sequence[Any], kwargs: dict[str, Any]) -> torch.Tensor:
    """Return the text [B, T, C] of a denoiser's arguments; raise ``NoStartToken`` where there is none."""
    text = kwargs.get("encoder_hidden_states", args[2] if len(args) > 2 else None)
    if not isinstance(text, torch.Tensor) or text.ndim != 3:
        raise NoStartToken("the denoiser is given no text [B, T, C] that a start token could belong to")
    return text


def tolerance(dtype: torch.dtype) -> float:
    """Return how far apart two embeddings of one start token may be, of its norm."""
    return float(min(EPSILONS * torch.finfo(dtype).eps, LARGEST_TOLERANCE))


def projections_of(system: DiffusionSystem) -> list[tuple[str, Any]]:
    """Return (name, layer) of the projections of text to keys and values that quantization may change."""
    layers = dict(system.linear_layers())
    names = [f"{a.name}.{part}" for a in system.attention_layers() if a.kind == "cross" for part in ("to_k", "to_v")]
    return [(name, layers[name]) for name in names if name in layers]


def find_start_tokens(system: DiffusionSystem, ctx: Context, samples: Sequence[Sample], seed: int = 0) -> torch.Tensor:
    """Return the start tokens [V, C] that the text has over some prompts, one or (with guidance) two.

    Raises ``NoStartToken`` in one sentence where the denoiser attends to no text, where its first token changes with the
    prompt, where too few prompts differ to tell, and where the projections see another tensor than the denoiser is given.
    """
    projections = projections_of(system)
    if not projections:
        raise NoStartToken("the denoiser has no cross-attention whose keys and values are quantized")
    seen = _Texts()
    handles = [system.denoiser.register_forward_pre_hook(seen.of_denoiser, with_kwargs=True)]
    handles += [layer.register_forward_pre_hook(seen.of_projection(name)) for name, layer in projections]
    try:
        with torch.no_grad():
            for start in range(0, len(samples), SAMPLES_AT_ONCE):
                ctx.progress(start, len(samples), "looking for a start token")
                ctx.run(system, samples[start : start + SAMPLES_AT_ONCE], seed)
    finally:
        for handle in handles:
            handle.remove()
    return seen.start_tokens()


def keep_start_tokens(system: DiffusionSystem, known: torch.Tensor) -> list[str]:
    """Replace the projections to keys and values in place, and return the names of what is left to quantize in them."""
    tokens = StartTokens(known.to(system.denoiser.device, system.dtype))
    projections = projections_of(system)
    for name, layer in projections:
        parent, _, child = name.rpartition(".")
        setattr(system.denoiser.get_submodule(parent), child, StartTokenLinear.of(layer, tokens))
    tokens.watch(system.denoiser)
    return [f"{name}.rest" for name, _ in projections]


class _Texts:
    """What the denoiser was given over many calls: different first tokens, and different texts."""

    def __init__(self) -> None:
        self.firsts: list[torch.Tensor] = []
        self.texts: list[torch.Tensor] = []
        self.present: torch.Tensor | None = None
        self.elsewhere = ""
        """A projection that was given another tensor than the denoiser."""

    def of_denoiser(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.present = text_of(args, kwargs).detach()
        for row in self.present:
            _add(self.firsts, row[0], row.dtype)
            _add(self.texts, row.flatten(), row.dtype)

    def of_projection(self, name: str) -> Any:
        def before(layer: nn.Module, args: tuple[Any, ...]) -> None:
            if self.present is None or args[0].shape != self.present.shape or not torch.equal(args[0], self.present):
                self.elsewhere = name

        return before

    def start_tokens(self) -> torch.Tensor:
        if len(self.texts) <= MOST_START_TOKENS:
            raise NoStartToken(
                f"{len(self.texts)} different prompts are too few to tell whether the text's first token is the same for all"
            )
        if len(self.firsts) > MOST_START_TOKENS:
            first = torch.stack(self.firsts).float()
            spread = float((first - first[0]).norm(dim=-1).max() / first[0].norm().clamp(min=1e-12))
            raise NoStartToken(
                f"the text's first token changes with the prompt (by up to {spread:.1%} of its norm): "
                "the text encoder is not causal, and no keys and values of it can be computed before"
            )
        if self.elsewhere:
            raise NoStartToken(f"{self.elsewhere} attends to something else than the text that the denoiser is given")
        return torch.stack(self.firsts)


def _add(known: list[torch.Tensor], vector: torch.Tensor, dtype: torch.dtype) -> None:
    """Add a vector unless one of those that are known is the same up to rounding."""
    allowed = tolerance(dtype) * float(vector.float().norm())
    if not any(float((vector - other).float().norm()) <= allowed for other in known):
        known.append(vector.clone())
