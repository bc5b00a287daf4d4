"""The video pipelines: Latte, CogVideoX, Wan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from effbench.diffusion import DiffusionSystem
from effbench.tasks.diffusion.adapters import FinalLatents, Generated, PipelineAdapter, distinct, generated

if TYPE_CHECKING:
    import torch


class LatteAdapter(PipelineAdapter):
    """``LattePipeline``: spatial and temporal attention in turn.

    The pipeline cuts the embedding of a lone prompt after its last token and pads those of several, so that a video would
    depend on its batch. Here every prompt is padded to the same length and embeddings of padding are zero, which is what
    it does for several prompts.
    """

    is_video = True
    prompt_token_limit = 120
    """What the pipeline pads its prompts to."""

    def frames(self, pipeline: Any) -> int:
        """Return the number of frames that the temporal positions were made for; the model takes no other."""
        return int(pipeline.transformer.config.video_length)

    def frame_step(self, pipeline: Any) -> int:
        """Return 0: there is no other number of frames."""
        return 0

    def size_multiple(self, pipeline: Any) -> int:
        """Return a patch's side in pixels, and at least the 8 that the pipeline asks for."""
        return max(8, super().size_multiple(pipeline))

    def noise_shape(self, system: DiffusionSystem) -> tuple[int, ...]:
        """Return [c, F, h, w]."""
        channels, height, width = super().noise_shape(system)
        return channels, system.frames, height, width

    def generate(
        self,
        system: DiffusionSystem,
        samples: Sequence[Mapping[str, Any]],
        noise: torch.Tensor,
        generators: list[torch.Generator] | None = None,
    ) -> Generated:
        """Return videos [B, F, C, H, W]."""
        pipeline, final = system.pipeline, FinalLatents()
        prompts, rows = distinct([sample["prompt"] for sample in samples])
        given, mask = self._embeddings(system, prompts)
        embeddings = {"prompt_embeds": (given * mask[..., None])[rows]}
        if system.guidance > 1:
            embeddings["negative_prompt_embeds"] = self._embeddings(system, [""])[0].expand(len(rows), -1, -1)
        pictures = pipeline(
            **embeddings,
            negative_prompt=None,
            num_inference_steps=system.steps,
            guidance_scale=system.guidance,
            video_length=system.frames,
            latents=noise.to(pipeline.device, system.dtype),
            generator=generators,
            height=system.height,
            width=system.width,
            clean_caption=False,
            mask_feature=False,
            callback_on_step_end=final.on_step_end,
            output_type="pt",
        ).frames
        return generated(pictures, final)

    def _embeddings(self, system: DiffusionSystem, prompts: list[str]) -> tuple[Any, Any]:
        """Return (embeddings [P, L, D], mask [P, L]) of prompts padded to the system's length."""
        pipeline = system.pipeline
        tokens = pipeline.tokenizer(
            prompts,
            padding="max_length",
            max_length=system.max_sequence_length,
            truncation=True,
            return_tensors="pt",
        ).to(pipeline.device)
        embeddings = pipeline.text_encoder(tokens.input_ids, attention_mask=tokens.attention_mask)[0]
        return embeddings, tokens.attention_mask.to(embeddings.dtype)


class CogVideoXAdapter(PipelineAdapter):
    """``CogVideoXPipeline``: joint attention over text and all frames, after an autoencoder that also shortens time."""

    is_video = True

    def max_prompt_tokens(self, pipeline: Any) -> int:
        """Return the number of text tokens that the positions were made for; the model takes no other."""
        return int(pipeline.transformer.config.max_text_seq_length)

    def pixels_per_latent(self, pipeline: Any) -> int:
        """Return how many pixels a latent spans."""
        return int(pipeline.vae_scale_factor_spatial)

    def size(self, pipeline: Any) -> tuple[int, int]:
        """Return the (height, width) in pixels that the model was trained for."""
        config, scale = pipeline.transformer.config, self.pixels_per_latent(pipeline)
        return int(config.sample_height) * scale, int(config.sample_width) * scale

    def frames(self, pipeline: Any) -> int:
        """Return the number of frames that the model was trained for."""
        return int(pipeline.transformer.config.sample_frames)

    def size_multiple(self, pipeline: Any) -> int:
        """Return a patch's side in pixels, and at least the 8 that the pipeline asks for."""
        return max(8, super().size_multiple(pipeline))

    def frame_step(self, pipeline: Any) -> int:
        """Return how many frames share a latent."""
        return int(pipeline.vae_scale_factor_temporal)

    def noise_shape(self, system: DiffusionSystem) -> tuple[int, ...]:
        """Return [f, c, h, w], f latent frames."""
        channels, height, width = super().noise_shape(system)
        return (system.frames - 1) // self.frame_step(system.pipeline) + 1, channels, height, width

    def generate(
        self,
        system: DiffusionSystem,
        samples: Sequence[Mapping[str, Any]],
        noise: torch.Tensor,
        generators: list[torch.Generator] | None = None,
    ) -> Generated:
        """Return videos [B, F, C, H, W]."""
        return _generate_from_embeddings(system, samples, noise.to(system.pipeline.device, system.dtype), generators)


class WanAdapter(PipelineAdapter):
    """``WanPipeline`` (text to video): a video transformer with cross-attention to a T5-type encoder.

    As published, its autoencoder and the latents between steps stay in float32 whatever the transformer's precision.
    """

    is_video = True
    prompt_token_limit = 512
    """The default of the pipeline's call, ``max_sequence_length``."""
    guidance_halves = "conditional-call-first"

    def set_precision(self, pipeline: Any) -> None:
        """Put the autoencoder into float32."""
        pipeline.vae.float()

    def pixels_per_latent(self, pipeline: Any) -> int:
        """Return how many pixels a latent spans."""
        return int(pipeline.vae_scale_factor_spatial)

    def size(self, pipeline: Any) -> tuple[int, int]:
        """Return the pipeline's own default; the model does not name one."""
        return 480, 832

    def frames(self, pipeline: Any) -> int:
        """Return the pipeline's own default."""
        return 81

    def size_multiple(self, pipeline: Any) -> int:
        """Return a patch's side in pixels, and at least the 16 that the pipeline asks for."""
        return max(16, self.pixels_per_latent(pipeline) * int(pipeline.transformer.config.patch_size[1]))

    def frame_step(self, pipeline: Any) -> int:
        """Return how many frames share a latent."""
        return int(pipeline.vae_scale_factor_temporal)

    def noise_shape(self, system: DiffusionSystem) -> tuple[int, ...]:
        """Return [c, f, h, w], f latent frames."""
        channels, height, width = super().noise_shape(system)
        return channels, (system.frames - 1) // self.frame_step(system.pipeline) + 1, height, width

    def generate(
        self,
        system: DiffusionSystem,
        samples: Sequence[Mapping[str, Any]],
        noise: torch.Tensor,
        generators: list[torch.Generator] | None = None,
    ) -> Generated:
        """Return videos [B, F, C, H, W]."""
        return _generate_from_embeddings(system, samples, noise.to(system.pipeline.device), generators)


def _generate_from_embeddings(
    system: DiffusionSystem,
    samples: Sequence[Mapping[str, Any]],
    noise: torch.Tensor,
    generators: list[torch.Generator] | None,
) -> Generated:
    """Return the videos of a pipeline that takes one embedding per prompt and per negative prompt."""
    pipeline, final = system.pipeline, FinalLatents()
    prompts, rows = distinct([sample["prompt"] for sample in samples])
    given, negative = pipeline.encode_prompt(
        prompts,
        negative_prompt="",
        do_classifier_free_guidance=system.guidance > 1,
        max_sequence_length=system.max_sequence_length,
        device=pipeline.device,
    )
    pictures = pipeline(
        prompt_embeds=given[rows],
        negative_prompt_embeds=None if negative is None else negative[rows],
        num_inference_steps=system.steps,
        guidance_scale=system.guidance,
        num_frames=system.frames,
        latents=noise,
        generator=generators,
        height=system.height,
        width=system.width,
        max_sequence_length=system.max_sequence_length,
        callback_on_step_end=final.on_step_end,
        output_type="pt",
    ).frames
    return generated(pictures, final)


ADAPTERS: dict[str, type[PipelineAdapter]] = {
    "LattePipeline": LatteAdapter,
    "CogVideoXPipeline": CogVideoXAdapter,
    "WanPipeline": WanAdapter,
}
"""Class of a pipeline, as ``model_index.json`` names it -> how it is called."""
