"""What every export does: weights in fp16, readable by all, and a card with the sha256 of every shipped file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file
from torch import nn

from effbench.section import replace_section
from effbench.stats.bootstrap import wilson_interval


def save_half(model: nn.Module, path: Path) -> None:
    """Write the state of a network in fp16; counters stay whole numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {n: t.half() if t.is_floating_point() else t for n, t in model.state_dict().items()}
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)


def write_card(folder: Path, facts: dict[str, Any]) -> None:
    """Write ``card.yaml`` into a model's folder: the facts, then bytes and sha256 of all files under ``weights``."""
    files = sorted(p for p in (folder / "weights").rglob("*") if p.is_file())
    for file in files:
        file.chmod(0o644)  # the libraries write some readable by their owner only
    sha256 = {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
    card = {**facts, "bytes": sum(p.stat().st_size for p in files), "sha256": sha256}
    (folder / "card.yaml").write_text(yaml.safe_dump(card, sort_keys=False, width=120))


def write_quality(folder: Path, rows: dict[str, str]) -> None:
    """Put what was measured into the ``quality`` section of a model's README, so that no number there is typed."""
    lines = ["| measured | value |", "|---|--:|", *(f"| {what} | {value} |" for what, value in rows.items())]
    replace_section(folder / "README.md", "quality", "\n".join(lines) + "\n")


def share_text(share: float, count: int) -> str:
    """Return a share of so many yes/no answers with its 95 % interval (Wilson)."""
    low, high = wilson_interval(round(share * count), count, 0.95)
    return f"{share:.0%} [{low:.0%}, {high:.0%}]"


def save_pipeline(pipeline: Any, folder: Path) -> Any:
    """Write a pipeline in fp16 (its parts are rounded in place) and return it as a reader in fp32 gets it."""
    pipeline.to(torch.float16).save_pretrained(folder, safe_serialization=True)
    for config in sorted(folder.glob("*/config.json")):
        facts = json.loads(config.read_text("utf-8"))
        facts.pop("_name_or_path", None)  # where a part was loaded from on the machine that exported it
        if facts.get("_class_name") == "AutoencoderTiny":
            facts.pop("block_out_channels")  # it is derived when it is built, and a file that names it earns a warning
        config.write_text(json.dumps(facts, indent=2) + "\n")
    loaded = type(pipeline).from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    loaded.set_progress_bar_config(disable=True)
    return loaded


def curve_of(work: Path, stages: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the lines of ``curve.jsonl`` of some stages; of a step that was run again after a stop, the last one."""
    lines: dict[tuple[Any, ...], dict[str, Any]] = {}
    for text in (work / "curve.jsonl").read_text("utf-8").splitlines():
        line = json.loads(text)
        if line["stage"] in stages:
            lines[line["stage"], line["step"], "loss" in line] = line
    return sorted(lines.values(), key=lambda line: (stages.index(line["stage"]), line["step"]))


def parameters_of(model: nn.Module) -> int:
    """Return how many parameters a network has, each counted once."""
    return sum(p.numel() for p in model.parameters())


def same_in_half(model: nn.Module) -> nn.Module:
    """Return the network with its weights rounded to fp16 and back, as a reader of the shipped file gets it."""
    return model.to(torch.float16).to(torch.float32)
