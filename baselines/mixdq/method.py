"""MixDQ (arXiv 2405.17873): post-training quantization of few-step diffusion U-Nets at mixed bit-widths.

Activations are static: one asymmetric range a tensor, followed over calibration batches with momentum 0.95, once a batch.
Weights are symmetric, one scale an output channel, rounded to nearest. On top of that

- the start token of a causal text encoder keeps its keys and values in float (``effbench/quantization/bos.py``);
- convolutions over a skip connection have two ranges (``split.py``);
- the inputs that the model is most sensitive to stay in float;
- below 8 mean bits every layer gets its own: sensitivities of content layers (SSIM) and quality layers (SQNR) apart, an
  integer programme for each, the budget split between them at several ratios, and the pick whose pictures are nearest.

What differs from the released code: ranges are calibrated once for all bit-widths and on the model in float; a channel of
zeros changes no other channel's scale; budgets are upper bounds (``band`` is the code's); SSIM has the usual window
(``ssim_window``); a layer may have 3, 5 and 6 bits, too (``choices``); the noise of layers is summed, not its decibels
(``objective``); the uniform plan stands among the candidates.

Real execution is W8A8, where protected layers stay in float whole. Everything else is simulated: no kernel multiplies
weights of fewer bits in convolutions.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from effbench.api import Artifact, Claim, Context, Execution, Fact, Method, PluginError, StrictParams, Unsupported
from effbench.diffusion import DiffusionSystem
from effbench.quantization.bitplan import BitPlan, read_plan
from effbench.quantization.schemes import BITS, UNQUANTIZED

if TYPE_CHECKING:
    from effbench_baselines.mixdq.planning import Planned

CARD = "MixDQ model card (SDXL-Turbo)"
TURBO = "SDXL-Turbo, 1 step, COCO"
OTHER_MODEL = "measured on SDXL-Turbo with learned scores on COCO"

Budget = Annotated[float, Field(ge=2, le=16)]


class MixDQ(Method):
    """Static W8A8 and mixed precision below it, start token and skip connections apart, sensitive inputs in float."""

    name = "mixdq"
    accepts = (DiffusionSystem,)
    tied_to = ("model", "revision", "scheduler", "steps", "guidance_order")
    claims = (
        Claim("FID", 17.03, "", f"W8A8, {TURBO} (FP16: 17.15)", CARD, not_comparable=OTHER_MODEL),
        Claim("CLIP score", 0.2703, "", f"W8A8, {TURBO} (FP16: 0.2722)", CARD, not_comparable=OTHER_MODEL),
        Claim("ImageReward", 0.8415, "", f"W8A8, {TURBO} (FP16: 0.8631)", CARD, not_comparable=OTHER_MODEL),
        Claim("FID", 17.23, "", f"W5A8 by the card (elsewhere W4A16), {TURBO}", CARD, not_comparable=OTHER_MODEL),
        Claim(
            "ImageReward", 0.8307, "", f"W5A8 by the card (elsewhere W4A16), {TURBO}", CARD, not_comparable=OTHER_MODEL
        ),
        Claim(
            "memory of the U-Net's weights",
            2575 / 4998,
            "of FP16",
            "W8A8, SDXL-Turbo, 2575 of 4998 MB",
            "README of MixDQ's code",
            number="parameter_mb",
            as_ratio=True,
            holds_for={"device_class": "cuda", "dtype": "float16", "weight_bits": 8.0},
        ),
        Claim(
            "latency of the U-Net",
            1.07,
            "x",
            "W8A8, SDXL-Turbo, batch 1, A100, 30.7 to 28.8 ms",
            "README of MixDQ's code",
            number="speedup",
            holds_for={"device_class": "cuda", "dtype": "float16", "weight_bits": 8.0},
        ),
        Claim(
            "latency of the U-Net",
            1.45,
            "x",
            "W8A8, SDXL-Turbo, batch 1, RTX 4080, 36.1 to 24.9 ms",
            "README of MixDQ's code",
            number="speedup",
            holds_for={"device_class": "cuda", "dtype": "float16", "weight_bits": 8.0},
        ),
    )

    class Params(StrictParams):
        """Parameters of the method."""

        weight_bits: Annotated[Budget, Field(description="Mean bits of weights, at most; 8: all alike, 16: float.")] = (
            8.0
        )
        activation_bits: Annotated[Budget, Field(description="Mean bits of inputs, at most; 16: float.")] = 8.0
        uniform: Annotated[bool, Field(description="Give all layers the same bits instead of searching.")] = False
        bos: Annotated[
            bool | None, Field(description="Keep the start token's keys and values; null: where there is one.")
        ] = None
        split: Annotated[bool, Field(description="Two ranges for convolutions over a skip connection.")] = True
        protect: Annotated[float, Field(ge=0, lt=1, description="Share of layers whose inputs stay in float.")] = 0.01
        decoupled: Annotated[bool, Field(description="Rank content layers by SSIM; false: all by SQNR.")] = True
        objective: Annotated[
            Literal["decibels", "noise"],
            Field(description="What of an SQNR is summed: its noise, or decibels as published."),
        ] = "noise"
        choices: Annotated[
            Literal["published", "all"],
            Field(description="Bits of a layer: {2, 4, 8} as published, or {2, 3, 4, 5, 6, 8}."),
        ] = "all"
        select: Annotated[bool, Field(description="Draw pictures with every candidate and take the nearest.")] = True
        band: Annotated[bool, Field(description="Mean bits within 0.02 of the budget, as in MixDQ's code.")] = False
        ssim_window: Annotated[
            Literal["local", "global"], Field(description="Window of 11 pixels, or the whole picture as published.")
        ] = "local"
        layers: Annotated[
            list[str] | None,
            Field(
                min_length=1, description="Globs over the layers that are quantized, the others in float; null: all."
            ),
        ] = None
        calibration_samples: Annotated[int, Field(ge=1, description="Samples that ranges are followed over.")] = 32
        search_samples: Annotated[int, Field(ge=1, description="Samples that the search looks at.")] = 16
        plan: Annotated[str | None, Field(description="File of a bit plan that takes the place of the search.")] = None
        simulate: Annotated[bool, Field(description="Imitate W8A8, too.")] = False

        @model_validator(mode="after")
        def _bits_make_sense(self) -> Self:
            for name, budget in (("weight_bits", self.weight_bits), ("activation_bits", self.activation_bits)):
                if (budget > 8 or self.uniform) and budget not in BITS:
                    known = ", ".join(map(str, BITS))
                    raise ValueError(f"{name} is a mean of at most 8, or for all layers one of {known}; got {budget:g}")
                if self.layers is not None and budget < 8 and not self.uniform:
                    raise ValueError(f"layers: some layers share no budget with the others; set uniform, or {name} 8")
            return self

    def __init__(self, params: StrictParams | None = None) -> None:
        """Say which kernel has to be seen to run; not every denoiser has convolutions, but all have linear layers."""
        super().__init__(params)
        try:
            self.kernels = ("linear_w8a8/*",) if self.execution() == "real" else ()
        except PluginError:  # a plan that cannot be read; said where it is used
            self.kernels = ()

    def execution(self) -> Execution:
        """Return "real" where all weights and inputs have 8 bits (or stay in float together), else "simulated"."""
        return "real" if not self.params.simulate and self._is_w8a8() else "simulated"

    def prepare(self, system: DiffusionSystem, ctx: Context) -> Artifact:
        """Calibrate ranges, search bits (or take the plan's), and round the weights; the system stays as it is."""
        from effbench.quantization.rounding import quantize_weight
        from effbench.quantization.schemes import WeightScheme
        from effbench.quantization.stored import codes_to_tensors
        from effbench_baselines.mixdq.planning import planned
        from effbench_baselines.mixdq.structure import quantizable, restored

        given = self._given_plan()
        with restored(system.denoiser):
            found = planned(system, ctx, self.params, given, self.tied_to)
            tensors: dict[str, Any] = {}
            layers = quantizable(system)
            for name, width in found.plan.bits("weight").items():
                if width != UNQUANTIZED:
                    weight = quantize_weight(layers[name].weight.flatten(1), WeightScheme(width))
                    tensors |= codes_to_tensors(name, weight, width)
            unsupported = [name for name, _ in system.convolutions() if name not in layers]
        if found.start_tokens is not None:
            tensors["start_tokens"] = found.start_tokens
        return Artifact(tensors, self._config(found, unsupported))

    def apply(self, system: DiffusionSystem, artifact: Artifact) -> DiffusionSystem:
        """Return the system with its denoiser changed in place; raise ``Unsupported`` where kernels take no such floats."""
        import torch

        from effbench_baselines.mixdq.applying import apply_plan

        if self.execution() == "real" and (system.device_type != "cpu" or system.dtype != torch.float32):
            raise Unsupported(
                "mixdq: the integer kernels run on a CPU from float32, "
                f"not on {system.device_type} from {system.dtype}; set simulate: true"
            )
        given = self._given_plan()
        if given is not None and given.sha256 != artifact.config["bit_plan"]["sha256"]:
            raise PluginError(f"{self.params.plan}: the plan was changed after this cell was prepared from it")
        changed: DiffusionSystem = apply_plan(system, artifact, self.execution())
        return changed

    def facts(self, system: DiffusionSystem) -> Mapping[str, Fact | float]:
        """Return mean bits and bytes of weights, mean bits of inputs by parameters, and how many inputs stay in float."""
        from effbench.quantization.facts import weight_facts
        from effbench_baselines.mixdq.applying import activation_facts

        return {**weight_facts(system.denoiser), **activation_facts(system.denoiser)}

    def _config(self, found: Planned, unsupported: list[str]) -> dict[str, Any]:
        return {
            "bit_plan": found.plan.content(),
            "ranges": {name: dict(static._asdict()) for name, static in found.statics.items()},
            "start_token": found.start_token_note,
            "split": list(found.split),
            "protected": list(found.protected),
            "unsupported": unsupported,
            "candidates": {
                part: [{"origin": c.origin, "mean_bits": c.mean_bits, "squared_error": c.error} for c in seen]
                for part, seen in found.candidates.items()
            },
        }

    def _given_plan(self) -> BitPlan | None:
        """Return the plan that the parameters name, if any; raise ``PluginError`` where it cannot be used."""
        from effbench.errors import BadInput

        if self.params.plan is None:
            return None
        try:
            plan = read_plan(Path(self.params.plan))
        except BadInput as error:
            raise PluginError(str(error)) from None
        return plan

    def _is_w8a8(self) -> bool:
        plan = self._given_plan()
        if plan is None:
            return bool(self.params.weight_bits == self.params.activation_bits == 8)
        return all((bits.weight, bits.activation) in ((8, 8), (16, 16)) for bits in plan.layers.values())
