"""Linear layers that read the same inputs: queries, keys and values of an attention layer."""

from __future__ import annotations

from collections.abc import Sequence

from effbench.diffusion import DiffusionSystem


def same_inputs(system: DiffusionSystem, names: Sequence[str]) -> list[list[str]]:
    """Return the named linear layers in groups that read the same inputs, each in the order of ``names``.

    Over its own tokens an attention layer makes queries, keys and values of the same; to the text, keys and values.
    """
    leader: dict[str, str] = {}
    for attention in system.attention_layers():
        parts = ("to_k", "to_v") if attention.kind == "cross" else ("to_q", "to_k", "to_v")
        group = [name for part in parts if (name := f"{attention.name}.{part}") in names]
        leader |= dict.fromkeys(group, group[0]) if group else {}
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(leader.get(name, name), []).append(name)
    return list(groups.values())
