"""The section "trainings" of docs/lidar.md: how long each LiDAR detector that ships was trained, by the zoo's card."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from effbench import zoo
from effbench.section import replace_section
from effbench.yamlplain import plain_yaml

MODEL = "zoo:lidar-detectors"


def table(detectors: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """Yield a row per detector: frames, epochs, minutes of training on one thread, parameters, size of the file."""
    yield "| detector | frames | epochs | minutes of training | parameters | file, MB |"
    yield "|---|--:|--:|--:|--:|--:|"
    for name, facts in detectors.items():
        plan, seconds = facts["plan"], facts["curve"][-1]["training_s"]
        size = (folder / f"{name}.safetensors").stat().st_size / 1e6
        cells = [
            f"{plan['frames']:,}",
            plan["epochs"],
            f"{seconds / 60:.0f}",
            f"{facts['parameters']:,}",
            f"{size:.2f}",
        ]
        yield f"| `{name}` | {' | '.join(map(str, cells))} |"
    yield ""
    yield "Minutes are of one thread's processor time, which others on the machine do not add to."


def main() -> None:
    """Write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, help="a page with the section trainings; printed where none is given")
    given = parser.parse_args()
    folder = zoo.find(MODEL).folder
    text = "\n".join(table(plain_yaml((folder / "card.yaml").read_text("utf-8"))["detectors"], folder / "weights"))
    if given.page is None:
        print(text)
    else:
        replace_section(given.page, "trainings", text)


if __name__ == "__main__":
    main()
