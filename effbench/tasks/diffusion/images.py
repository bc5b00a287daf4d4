"""The image pipelines: PixArt-Sigma, SDXL and its distilled forms, DiT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from effbench.diffusion import DiffusionSystem, GuidanceOrder
from effbench.diffusion.observing import replaced
from effbench.tasks.diffusion.adapters import FinalLatents, Generated, PipelineAdapter, distinct, generated

if TYPE_CHECKING:
    import torch


class PixArtAdapter(PipelineAdapter):
    """``PixArtSigmaPipeline``."""

    def generate(
        self,
        system: DiffusionSystem,
        samples: Sequence[Mapping[str, Any]],
        noise: torch.Tensor,
        generators: list[torch.Generator] | None = None,
    ) -> Generated:
        """Return images [B, C, H, W]."""
        pipeline, final = system.pipeline, FinalLatents()
        prompts, rows = distinct([sample["prompt"] for sample in samples])
        encoded = pipeline.encode_prompt(
            prompts,
            do_classifier_free_guidance=system.guidance > 1,
            negative_prompt="",
            device=pipeline.device,
            clean_caption=False,
            max_sequence_length=system.max_sequence_length,
        )
        names = (
            "prompt_embeds",
            "prompt_attention_mask",
            "negative_prompt_embeds",
            "negative_prompt_attention_mask",
        )
        pictures = pipeline(
            negative_prompt=None,
            **{name: None if part is None else part[rows] for name, part in zip(names, encoded)},
            num_inference_steps=system.steps,
            guidance_scale=system.guidance,
            latents=noise.to(pipeline.device, system.dtype),
            generator=generators,
            height=system.height,
            width=system.width,
            max_sequence_length=system.max_sequence_length,
            use_resolution_binning=False,
            clean_caption=False,
            callback=final.on_step,
            output_type="pt",
        ).images
        return generated(pictures, final)


class SdxlAdapter(PipelineAdapter):
    """``StableDiffusionXLPipeline``: two CLIP-type text encoders and a U-Net."""

    parts = ("tokenizer_2", "text_encoder_2", "unet", "vae", "scheduler")  # a refiner has no first encoder
    prompt_token_limit = 77
    """The positions of CLIP's text encoders."""

    def guidance_order(self, pipeline: Any) -> GuidanceOrder:
        """Return "off" for a U-Net that takes the scale as an input (a latent consistency model), which is never guided."""
        return self.guidance_halves if pipeline.unet.config.time_cond_proj_dim is None else "off"

    def size(self, pipeline: Any) -> tuple[int, int]:
        """Return the (height, width) in pixels that the U-Net was trained for."""
        side = int(pipeline.unet.config.sample_size) * self.pixels_per_latent(pipeline)
        return side, side

    def size_multiple(self, pipeline: Any) -> int:
        """Return what every halving of the U-Net divides, and at least the 8 that the pipeline asks for."""
        halvings = len(pipeline.unet.config.down_block_types) - 1
        return max(8, self.pixels_per_latent(pipeline) << halvings)

    def text_encoders(self, pipeline: Any) -> list[tuple[Any, Any]]:
        """Return both pairs; the first may be missing (a refiner)."""
        pairs = (pipeline.tokenizer, pipeline.text_encoder), (pipeline.tokenizer_2, pipeline.text_encoder_2)
        return [pair for pair in pairs if pair[0] is not None]

    def generate(
        self,
        system: DiffusionSystem,
        samples: Sequence[Mapping[str, Any]],
        noise: torch.Tensor,
        generators: list[torch.Generator] | None = None,
    ) -> Generated:
        """Return images [B, C, H, W]."""
        pipeline, final = system.pipeline, FinalLatents()
        prompts, rows = distinct([sample["prompt"] for sample in samples])
        encoded = pipeline.encode_prompt(
            prompts, device=pipeline.device, do_classifier_free_guidance=system.guidance > 1
        )
        names = (
            "prompt_embeds",
            "negative_prompt_embeds",
            "pooled_prompt_embeds",
            "negative_pooled_prompt_embeds",
        )
        pictures = pipeline(
            **{name: None if part is None else part[rows] for name, part in zip(names, encoded)},
            num_inference_steps=system.steps,
            guidance_scale=system.guidance,
            latents=noise.to(pipeline.device, system.dtype),
            generator=generators,
            height=system.height,
            width=system.width,
            callback_on_step_end=final.on_step_end,
            output_type="pt",
        ).images
        return generated(pictures, final)


class DitAdapter(PipelineAdapter):
    """``DiTPipeline``: class labels instead of prompts.

    The pipeline takes no latents and returns none, so both ends are taken where it draws its noise and where it decodes.
    """

    parts = ("transformer", "vae", "scheduler")
    guidance_halves = "conditional-first"
    takes_text = False
    takes_size = False

    def pixels_per_latent(self, pipeline: Any) -> int:
        """Return how many pixels a latent spans, which this pipeline does not know itself."""
        return int(2 ** (len(pipeline.vae.config.block_out_channels) - 1))

    def text_encoders(self, pipeline: Any) -> list[tuple[Any, Any]]:
        """Return none."""
        return []

    def generate(
        self,
        system: DiffusionSystem,
        samples: Sequence[Mapping[str, Any]],
        noise: torch.Tensor,
        generators: list[torch.Generator] | None = None,
    ) -> Generated:
        """Return images [B, C, H, W] of the samples' ``label``."""
        from diffusers.pipelines.dit import pipeline_dit

        pipeline, final = system.pipeline, FinalLatents()
        given, decode = noise.to(pipeline.device, system.dtype), pipeline.vae.decode

        def keep_and_decode(latents: Any) -> Any:
            final.latents = latents * pipeline.vae.config.scaling_factor
            return SimpleNamespace(sample=decode(latents, return_dict=False)[0])

        with (
            replaced(pipeline_dit, "randn_tensor", lambda **_: given),
            replaced(pipeline.vae, "decode", keep_and_decode),
        ):
            pictures = pipeline(
                class_labels=[int(sample["label"]) for sample in samples],
                guidance_scale=system.guidance,
                num_inference_steps=system.steps,
                output_type="pt",
            ).images
        return generated(pictures, final)


ADAPTERS: dict[str, type[PipelineAdapter]] = {
    "PixArtSigmaPipeline": PixArtAdapter,
    "StableDiffusionXLPipeline": SdxlAdapter,
    "DiTPipeline": DitAdapter,
}
"""Class of a pipeline, as ``model_index.json`` names it -> how it is called."""
