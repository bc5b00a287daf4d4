"""Attention plans: what each attention layer does at each step, as a small file that a person can read and reuse.

::

    schema: effbench/attention-plan/1
    method: dit-fast-attn                      # what made it
    settings: {model: zoo:emoji-pixart, revision: 58838a..., steps: 4, guidance_order: unconditional-first}
    search: {loss: code, threshold: 0.05}      # how it was found; nothing depends on it
    flops: {plan: 123, full: 456}              # of the planned layers, for one sample, 1 MAC = 2 FLOPs
    layers:
      transformer_blocks.0.attn1: {rows: 2, tokens: 64, ..., steps: [full, ast, wa-rs, asc]}
    sha256: ...                                # over all of the above

A slot, one layer at one step, is one of ``SLOTS`` (DiTFastAttn, arXiv 2406.08552), or a letter for each head: ``f`` full,
``w`` inside the window, ``c`` the head's output of the step before. The hash is no signature: it tells a plan that was
searched from one that was edited by hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from effbench.api import PluginError
from effbench.atomic import write_bytes
from effbench.diffusion.guidance import BATCH_ORDERS
from effbench.digest import hash_of
from effbench.errors import nearest
from effbench.planfile import parsed
from effbench.yamlpos import Document, load

SCHEMA: Literal["effbench/attention-plan/1"] = "effbench/attention-plan/1"
TIED = ("model", "revision", "scheduler", "steps", "height", "width", "frames", "guidance_order")
"""Settings that every plan holds for: what was computed at one step is used at another, and shared between the halves."""

Strategy = Literal["full", "wa-rs", "ast", "asc", "wa-rs+asc"]
"""Full attention; the window plus what it left out at the last full step; the output of the step before; the conditional
half's output for both halves; the window for the conditional half alone."""
SLOTS: tuple[Strategy, ...] = get_args(Strategy)
SHARED = ("asc", "wa-rs+asc")
"""Slots in which the conditional half stands for both."""
WINDOWED = ("wa-rs", "wa-rs+asc")
HEADS = "fwc"
"""Letters of a slot that is given head by head."""


def is_head_wise(slot: str) -> bool:
    """Return whether a slot names a strategy for each head."""
    return slot not in SLOTS and set(slot) <= set(HEADS)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)


class LayerShape(_Entry):
    """What attention in a layer costs, for one sample: ``rows`` sequences (both halves of guidance) of ``tokens``.

    The first ``dense_tokens`` (text, in joint attention) are never behind a window. ``window_pairs`` are the pairs of query
    and key that a head computes where the others see ``half_width`` tokens to either side.
    """

    rows: Annotated[int, Field(ge=1)]
    tokens: Annotated[int, Field(ge=1)]
    dense_tokens: Annotated[int, Field(ge=0)] = 0
    channels: Annotated[int, Field(ge=1)]
    heads: Annotated[int, Field(ge=1)]
    head_width: Annotated[int, Field(ge=1)]
    half_width: Annotated[int, Field(ge=0)]
    window_pairs: Annotated[int, Field(ge=1)]

    def flops(self, slot: str) -> int:
        """Return the operations of a slot: four projections and two products over pairs, 1 MAC = 2 FLOPs."""
        if slot == "ast":
            return 0
        projections = 8 * self.tokens * self.channels * self.heads * self.head_width
        rows = self.rows // 2 if slot in SHARED else self.rows
        return rows * projections + self.core_flops(slot)

    def core_flops(self, slot: str) -> int:
        """Return those of the products of query with key and of weight with value alone."""
        full, window = self.tokens**2, self.window_pairs
        if is_head_wise(slot):
            return 4 * self.rows * self.head_width * (full * slot.count("f") + window * slot.count("w"))
        if slot == "ast":
            return 0
        rows = self.rows // 2 if slot in SHARED else self.rows
        return 4 * rows * self.heads * self.head_width * (window if slot in WINDOWED else full)


class LayerSlots(LayerShape):
    """A layer and its slots, from the first step of the solver to the last."""

    steps: Annotated[tuple[str, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _can_run(self) -> Self:
        for step, slot in enumerate(self.steps):
            if not slot or (slot not in SLOTS and not is_head_wise(slot)):
                raise ValueError(f"step {step}: {slot!r} is no strategy{nearest(slot, SLOTS)}")
            if is_head_wise(slot) and len(slot) != self.heads:
                raise ValueError(f"step {step}: {slot!r} has {len(slot)} letters for {self.heads} heads")
            if slot in SHARED and self.rows % 2:
                raise ValueError(f"step {step}: {slot!r} shares between two halves, and a sample has {self.rows} rows")
        if self.steps[0] in ("ast", *WINDOWED) or (is_head_wise(self.steps[0]) and "c" in self.steps[0]):
            raise ValueError(f"step 0: {self.steps[0]!r} uses what an earlier step computed, and there is none")
        if len({is_head_wise(slot) for slot in self.steps}) > 1:
            raise ValueError("steps: a layer has strategies or letters for its heads, not both")
        return self


class PlannedFlops(_Entry):
    """Operations of all planned layers over all steps, for one sample, under the plan and in full."""

    plan: Annotated[int, Field(ge=0)]
    full: Annotated[int, Field(ge=1)]


class AttentionPlan(_Entry):
    """A plan: ``of`` makes one, ``write_attention_plan`` and ``read_attention_plan`` take it to a file and back."""

    schema_version: Annotated[Literal["effbench/attention-plan/1"], Field(alias="schema")] = SCHEMA
    method: str
    settings: Mapping[str, str | int | float | None]
    search: Mapping[str, str | int | float | bool | None]
    flops: PlannedFlops
    layers: Annotated[Mapping[str, LayerSlots], Field(min_length=1)]
    sha256: str

    @classmethod
    def of(
        cls,
        method: str,
        settings: Mapping[str, Any],
        search: Mapping[str, Any],
        layers: Mapping[str, LayerSlots],
    ) -> AttentionPlan:
        """Return the plan of some layers; of the system's ``settings`` those that a plan is tied to are kept."""
        content = {
            "schema": SCHEMA,
            "method": method,
            "settings": {name: settings.get(name) for name in TIED},
            "search": dict(search),
            "flops": _flops(layers).model_dump(),
            "layers": {name: _plain(layer) for name, layer in layers.items()},
        }
        return cls.model_validate({**content, "sha256": hash_of(content)})

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        content = self.content()
        if missing := [name for name in TIED if name not in self.settings]:
            raise ValueError(f"settings: a plan holds for one {missing[0]}, which is not named")
        if content.pop("sha256") != hash_of(content):
            raise ValueError("the plan was edited after it was made: sha256 is not that of its content")
        if self.flops != _flops(self.layers):
            raise ValueError(
                f"flops: says {self.flops.plan} of {self.flops.full}, the layers have {_flops(self.layers)}"
            )
        for name, layer in self.layers.items():
            if len(layer.steps) != self.settings["steps"]:
                raise ValueError(f"layers: {name} has {len(layer.steps)} slots for {self.settings['steps']} steps")
            shared = [slot for slot in layer.steps if slot in SHARED]
            if shared and self.settings["guidance_order"] not in BATCH_ORDERS:
                raise ValueError(f"layers: {name} shares between halves of a batch that has none")
        return self

    @property
    def share(self) -> float:
        """Return the plan's operations as a share of those of full attention."""
        return self.flops.plan / self.flops.full

    @property
    def core_share(self) -> float:
        """Return the same without the projections."""
        layers = self.layers.values()
        full = sum(layer.core_flops("full") * len(layer.steps) for layer in layers)
        return sum(layer.core_flops(slot) for layer in layers for slot in layer.steps) / full

    def content(self) -> dict[str, Any]:
        """Return the plan as plain data, as it stands in a file."""
        return {
            **self.model_dump(by_alias=True),
            "layers": {name: _plain(layer) for name, layer in self.layers.items()},
        }

    def counts(self) -> Counter[str]:
        """Return how many slots have each strategy; letters are counted head by head."""
        found: Counter[str] = Counter()
        for layer in self.layers.values():
            for slot in layer.steps:
                found.update(slot if is_head_wise(slot) else [slot])
        return found

    def require(
        self, settings: Mapping[str, Any], layers: Mapping[str, Any], where: str = "the attention plan"
    ) -> None:
        """Raise ``PluginError`` in one sentence unless the plan is for these settings and for layers that are there."""
        for name, value in self.settings.items():
            if name not in settings or settings[name] != value:
                raise PluginError(f"{where} holds for {name} {value!r}; this system has {settings.get(name)!r}")
        if unknown := [name for name in self.layers if name not in layers]:
            raise PluginError(f"{where} names a layer {unknown[0]!r} that is not there{nearest(unknown[0], layers)}")


def _plain(layer: LayerSlots) -> dict[str, Any]:
    return {**layer.model_dump(), "steps": list(layer.steps)}


def _flops(layers: Mapping[str, LayerSlots]) -> PlannedFlops:
    return PlannedFlops(
        plan=sum(layer.flops(slot) for layer in layers.values() for slot in layer.steps),
        full=sum(layer.flops("full") * len(layer.steps) for layer in layers.values()),
    )


def write_attention_plan(path: Path, plan: AttentionPlan) -> None:
    """Write a plan as YAML, a layer a line; raise ``StoreError`` where it cannot be saved."""
    content = plan.content()
    layers, sha256 = content.pop("layers"), content.pop("sha256")
    head = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)
    lines = (f"  {_flow(name)}: {_flow(layer)}\n" for name, layer in layers.items())
    write_bytes(path, f"{head}layers:\n{''.join(lines)}sha256: {sha256}\n".encode())


def _flow(value: Any) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, default_flow_style=True, allow_unicode=True, width=1_000_000)
    return text.removesuffix("\n").removesuffix("\n...")


def read_attention_plan(path: Path) -> AttentionPlan:
    """Return a file's plan; raise ``BadInput`` in one sentence where it is missing, malformed, edited or foreign."""
    return parsed_attention_plan(load(path))


def parsed_attention_plan(document: Document) -> AttentionPlan:
    """Return the plan of a parsed file; raise ``BadInput`` in one sentence where it is none."""
    return parsed(document, AttentionPlan, SCHEMA, "an attention plan")
