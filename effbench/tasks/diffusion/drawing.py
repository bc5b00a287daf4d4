"""How each pipeline class is called: from prompts and given noise to pictures in [0, 1] and the final latent.

The pipelines run as they are published, decoding included. Ours are the noise, which depends on a sample's id and seed
alone, and the text embeddings, which are computed once per different prompt of a batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from effbench.tasks.diffusion.system import DiffusionSystem

if TYPE_CHECKING:
    import torch


class Drawn(NamedTuple):
    """``pictures`` [B, C, H, W] or [B, F, C, H, W] in [0, 1] and the final ``latents`` [B, ...], float32 on the CPU."""

    pictures: torch.Tensor
    latents: torch.Tensor


class Drawer(ABC):
    """Knows one pipeline class."""

    parts: tuple[str, ...] = ("tokenizer", "text_encoder", "transformer", "vae", "scheduler")
    """Components without which the pipeline cannot be called."""
    is_video = False
    takes_text = True
    takes_size = True
    longest_prompt = 300
    """Most tokens that the pipeline passes on, where its tokenizer takes more."""

    def settle(self, pipeline: Any) -> None:  # noqa: B027 - most classes need nothing
        """Bring a loaded pipeline into the precision that it was published with, where one for all parts is not that."""

    def scale(self, pipeline: Any) -> int:
        """Return how many pixels a latent spans."""
        return int(pipeline.vae_scale_factor)

    def size(self, pipeline: Any) -> tuple[int, int]:
        """Return the (height, width) in pixels that the model was trained for."""
        side = int(pipeline.transformer.config.sample_size) * self.scale(pipeline)
        return side, side

    def frames(self, pipeline: Any) -> int:
        """Return the number of frames that the model was trained for."""
        return 1

    def multiple(self, pipeline: Any) -> int:
        """Return what height and width must be a multiple of, in pixels."""
        return self.scale(pipeline) * int(pipeline.transformer.config.patch_size)

    def frame_step(self, pipeline: Any) -> int:
        """Return the step n of the allowed numbers of frames 1, 1 + n, 1 + 2n, ...; 1 where every number is allowed."""
        return 1

    def readers(self, pipeline: Any) -> list[tuple[Any, Any]]:
        """Return the pairs of tokenizer and text encoder that a prompt goes through."""
        return [(pipeline.tokenizer, pipeline.text_encoder)]

    def longest(self, pipeline: Any) -> int:
        """Return how many tokens of a prompt reach the model; 0 where it takes none."""
        return min((min(self.longest_prompt, t.model_max_length) for t, _ in self.readers(pipeline)), default=0)

    def noise_shape(self, system: DiffusionSystem) -> tuple[int, ...]:
        """Return the shape of one sample's initial noise, [c, h, w] for an image."""
        scale = self.scale(system.pipeline)
        return int(system.denoiser.config.in_channels), system.height // scale, system.width // scale

    @abstractmethod
    def draw(
        self,
        system: DiffusionSystem,
        samples: Sequence[Mapping[str, Any]],
        noise: torch.Tensor,
        generators: list[torch.Generator] | None = None,
    ) -> Drawn:
        """Return what the pipeline makes of the samples' ``prompt`` (or ``label``) and their noise [B, ...].

        ``generators`` are for samplers that draw noise at every step, one per sample, on the CPU.
        """


class FinalLatents:
    """A step callback that keeps the last latents, in both forms that pipelines call it in."""

    def __init__(self) -> None:
        self.latents: Any = None

    def on_step_end(self, pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """Take the ``callback_on_step_end`` of newer pipelines."""
        self.latents = tensors["latents"]
        return {}

    def on_step(self, step: int, timestep: Any, latents: Any) -> None:
        """Take the ``callback`` of older pipelines."""
        self.latents = latents


def drawn(pictures: torch.Tensor, final: FinalLatents) -> Drawn:
    """Return both as float32 on the CPU."""
    return Drawn(pictures.float().cpu(), final.latents.float().cpu())


def distinct(prompts: Sequence[str]) -> tuple[list[str], list[int]]:
    """Return the different prompts in their order and for each prompt its place among them."""
    places: dict[str, int] = {}
    rows = [places.setdefault(prompt, len(places)) for prompt in prompts]
    return list(places), rows


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Give an attribute another value for a while; what the instance did not hold itself is its class's again after."""
    own = vars(owner)
    held, before = name in own, own.get(name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before) if held else delattr(owner, name)
