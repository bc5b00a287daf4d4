"""From trained detectors to what ships: weights in fp16, what they reach on held-out frames, the card."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from effbench.lidar.detector.model import load_detector, save_detector
from effbench.lidar.scene.splits import manifest
from effbench.section import replace_section
from effbench.yamlplain import plain_yaml
from effbench.zoo.checkpoints import facts_of
from effbench.zoo.lidar_detectors.data import PROFILE, held_out_frames
from effbench.zoo.lidar_detectors.measure import judged
from effbench.zoo.lidar_detectors.train import DECAY, PEAK_LR, DetectorRecipe
from effbench.zoo.shipping import curve_of, parameters_of, write_card

FOLDER = Path(__file__).parent
"""Where weights, card and README stand: beside the recipe."""
HELD_OUT = 200
"""Frames of the validation split: all of them."""
SHOWN = (
    "Car easy",
    "Car moderate",
    "Car hard",
    "Car moderate, BEV",
    "Car moderate, IoU 0.5",
    "Pedestrian moderate",
    "Cyclist moderate",
)
"""Rows of the README; the card has all."""


def main() -> None:
    """Export detectors that are trained to the end; a detector that ships already stays unless it is named."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("stages", nargs="+", help="NAME-SEED, as dense-0; the first of a name ships as NAME")
    parser.add_argument("--work", type=Path, default=Path("zoo-work/lidar"))
    parser.add_argument("--folder", type=Path, default=FOLDER)
    args = parser.parse_args()
    torch.set_num_threads(1)
    trained = shipped_in(args.folder)
    for stage in args.stages:
        name = stage.rpartition("-")[0]
        made, facts = load_detector(args.work / f"{stage}.safetensors"), facts_of(args.work / f"{stage}.safetensors")
        save_detector(made, args.folder / "weights" / f"{name}.safetensors", facts)
        shipped = load_detector(args.folder / "weights" / f"{name}.safetensors")
        reached = judged(shipped, held_out_frames(HELD_OUT))
        trained[name] = {
            "parameters": parameters_of(shipped),
            "plan": {key: int(facts[key]) for key in DetectorRecipe.planned()},
            "held_out": {rule: round(value, 2) for rule, value in reached.items()},
            "curve": [line for line in curve_of(args.work, (stage,)) if "loss" in line and line["step"] % 250 == 0],
        }
    card = {
        "id": "zoo:lidar-detectors",
        "kind": "detector",
        "licence": "Apache-2.0 (weights and recipe)",
        "data": f"data_manifests/lidar_scenes.yaml, version {manifest()['version']}, {PROFILE}",
        "recipe": "make zoo-lidar-detectors",
        "optimiser": {"name": "AdamW", "peak_lr": PEAK_LR, "weight_decay": DECAY},
        "held_out_frames": HELD_OUT,
        "detectors": trained,
    }
    write_card(args.folder, card)
    write_table(args.folder, trained)


def shipped_in(folder: Path) -> dict[str, dict[str, object]]:
    """Return what the card says of detectors that ship already; nothing without a card."""
    card = folder / "card.yaml"
    known: dict[str, dict[str, object]] = plain_yaml(card.read_text("utf-8"))["detectors"] if card.is_file() else {}
    return {name: facts for name, facts in known.items() if (folder / "weights" / f"{name}.safetensors").is_file()}


def write_table(folder: Path, trained: dict[str, dict[str, object]]) -> None:
    """Put what was reached into the README, so that no number there is typed."""
    lines = [f"| AP (R40, 3D) | {' | '.join(trained)} |", "|---|" + "--:|" * len(trained)]
    for rule in SHOWN:
        values = [one["held_out"][rule] for one in trained.values()]  # type: ignore[index]
        lines.append(f"| {rule} | {' | '.join(f'{value:.1f}' for value in values)} |")
    replace_section(folder / "README.md", "quality", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
