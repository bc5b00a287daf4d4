"""Bit plans: which bits each layer's weights and activations have, as a small file that a person can read and reuse.

::

    schema: effbench/bit-plan/1
    method: mixdq                              # what made it
    settings: {model: zoo:emoji-turbo, revision: 58838a..., steps: 4}   # under which alone it holds
    budget: {weight: 4.0, activation: 8.0}     # mean bits that were asked for
    mean_bits: {weight: 3.99, activation: 8.0}
    layers:
      up_blocks.0.resnets.0.conv2: {weight: 4, activation: 8, parameters: 166464}
    sha256: ...                                # over all of the above

The hash is no signature: it tells a plan that was searched from one that was edited by hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from effbench.api import PluginError
from effbench.atomic import write_bytes
from effbench.digest import hash_of
from effbench.errors import nearest
from effbench.planfile import parsed
from effbench.quantization.allocation import mean_bits
from effbench.quantization.schemes import Bits
from effbench.yamlpos import Document, load

SCHEMA: Literal["effbench/bit-plan/1"] = "effbench/bit-plan/1"
ALWAYS_TIED = ("model", "revision")
"""Settings that every plan holds for; a method adds what else its search looked at."""
MEAN_TOLERANCE = 1e-6
"""By how much the written mean may differ from that of the layers: it is rounded to six digits."""

Part = Literal["weight", "activation"]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)


class LayerBits(_Entry):
    """Bits of one layer's weight and of its inputs, and how many parameters its weight has."""

    weight: Bits
    activation: Bits
    parameters: Annotated[int, Field(ge=1)]


class Mean(_Entry):
    """Mean bits over the weights of all layers, and over their inputs, both by parameters; null: no budget was set."""

    weight: Annotated[float, Field(gt=0, le=16)] | None
    activation: Annotated[float, Field(gt=0, le=16)] | None


class BitPlan(_Entry):
    """A plan; ``of`` makes one from bits, ``write_plan`` and ``read_plan`` take it to a file and back."""

    schema_version: Annotated[Literal["effbench/bit-plan/1"], Field(alias="schema")] = SCHEMA
    method: str
    settings: Mapping[str, str | int | float | None]
    budget: Mean
    mean_bits: Mean
    layers: Annotated[Mapping[str, LayerBits], Field(min_length=1)]
    sha256: str

    @classmethod
    def of(
        cls, method: str, settings: Mapping[str, Any], layers: Mapping[str, LayerBits], budget: Mean | None = None
    ) -> BitPlan:
        """Return the plan of some layers; ``settings`` are those of the system, of which it must name model and revision."""
        content = {
            "schema": SCHEMA,
            "method": method,
            "settings": dict(settings),
            "budget": (budget or Mean(weight=None, activation=None)).model_dump(),
            "mean_bits": {part: round(_mean(layers, part), 6) for part in ("weight", "activation")},
            "layers": {name: bits.model_dump() for name, bits in layers.items()},
        }
        return cls.model_validate({**content, "sha256": hash_of(content)})

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        content = self.content()
        if missing := [name for name in ALWAYS_TIED if not self.settings.get(name)]:
            raise ValueError(f"settings: a plan holds for one {missing[0]}, which is not named")
        if content.pop("sha256") != hash_of(content):
            raise ValueError("the plan was edited after it was made: sha256 is not that of its content")
        for part in ("weight", "activation"):
            found, said = _mean(self.layers, part), getattr(self.mean_bits, part)
            if said is None or abs(found - said) > MEAN_TOLERANCE:
                raise ValueError(f"mean_bits: {part} says {said}, the layers have {found:.6g}")
        return self

    def content(self) -> dict[str, Any]:
        """Return the plan as plain data, as it stands in a file."""
        return self.model_dump(by_alias=True)

    def bits(self, part: Part) -> dict[str, int]:
        """Return layer name -> bits of its weights or of its activations."""
        return {name: int(getattr(layer, part)) for name, layer in self.layers.items()}

    def histogram(self, part: Part) -> dict[int, tuple[int, int]]:
        """Return bits -> (layers, their parameters), from the fewest bits on."""
        layers: Counter[int] = Counter()
        parameters: Counter[int] = Counter()
        for layer in self.layers.values():
            layers[getattr(layer, part)] += 1
            parameters[getattr(layer, part)] += layer.parameters
        return {width: (layers[width], parameters[width]) for width in sorted(layers)}

    def require(self, settings: Mapping[str, Any], parameters: Mapping[str, int], where: str = "the bit plan") -> None:
        """Raise ``PluginError`` in one sentence unless the plan is for these settings and for exactly these layers.

        ``parameters`` is layer name -> number of weights of every layer that may be quantized.
        """
        for name, value in self.settings.items():
            if name not in settings or settings[name] != value:
                raise PluginError(f"{where} holds for {name} {value!r}; this system has {settings.get(name)!r}")
        if unknown := [name for name in self.layers if name not in parameters]:
            raise PluginError(
                f"{where} names a layer {unknown[0]!r} that is not there{nearest(unknown[0], parameters)}"
            )
        if missing := [name for name in parameters if name not in self.layers]:
            raise PluginError(f"{where} says nothing of layer {missing[0]!r}, one of {len(missing)} that it leaves out")
        for name, layer in self.layers.items():
            if layer.parameters != parameters[name]:
                raise PluginError(
                    f"{where} was made for a layer {name!r} of {layer.parameters} parameters; this one has {parameters[name]}"
                )

    def require_bits(self, part: Part, allowed: Collection[int], where: str = "the bit plan") -> None:
        """Raise ``PluginError`` in one sentence unless every layer's bits are among those that a method can give."""
        for name, width in self.bits(part).items():
            if width not in allowed:
                known = ", ".join(map(str, sorted(allowed)))
                raise PluginError(f"{where} gives layer {name!r} {width}-bit {part}s; possible are {known}")


def _mean(layers: Mapping[str, LayerBits], part: str) -> float:
    bits = {name: int(getattr(layer, part)) for name, layer in layers.items()}
    return mean_bits(bits, {name: layer.parameters for name, layer in layers.items()})


def write_plan(path: Path, plan: BitPlan) -> None:
    """Write a plan as YAML, a layer a line; raise ``StoreError`` where it cannot be saved."""
    content = plan.content()
    layers, sha256 = content.pop("layers"), content.pop("sha256")
    head = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)
    lines = yaml.safe_dump({"layers": layers}, sort_keys=False, default_flow_style=None, allow_unicode=True, width=1000)
    write_bytes(path, f"{head}{lines}sha256: {sha256}\n".encode())


def read_plan(path: Path) -> BitPlan:
    """Return a file's plan; raise ``BadInput`` in one sentence where it is missing, malformed, edited or foreign."""
    return parsed_plan(load(path))


def parsed_plan(document: Document) -> BitPlan:
    """Return the plan of a parsed file; raise ``BadInput`` in one sentence where it is none."""
    return parsed(document, BitPlan, SCHEMA, "a bit plan")
