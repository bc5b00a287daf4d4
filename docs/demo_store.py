"""Copy of finished stores what a board needs to show them: ``demo_store.py STORE... --into FOLDER``; the rest stays behind.

Kept are the files that a submission may hold (records, jobs, samples, timings, pictures), without outputs, weights and logs.
Of a cell whose pictures are large, a few stay, made smaller: the same samples of every method, so that they can be compared.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import numpy as np

from effbench.arrays import Array
from effbench.parts import KeptOutputs, write_outputs
from effbench.store import read_store
from effbench.submission.manifest import is_known

MOST_BYTES = 9 << 20
"""What may ship with the package: a few MB, or every install pays for pictures."""
MOST_PREVIEW_BYTES = 256 << 10
"""Of one file of pictures that is copied as it is: LiDAR frames from above, a megabyte each, would be the whole package."""
SMALL_SAMPLES, SMALL_PX = 1, 160
"""Of a cell with larger files: how many of its samples are shown, and the longest side of their pictures. A LiDAR frame is
then 70 kB a picture, 0.6 MB for the methods of the demo together."""


def copy(store: Path, folder: Path) -> int:
    """Copy a store and return the bytes; exits with a sentence where it is not finished or a cell of it failed."""
    view = read_store(store)
    failed = [cell.method_id for cell in view.cells if cell.status == "failed"]
    if view.unfinished or failed:
        sys.exit(f"{store}: not to be shipped: {', '.join([*view.unfinished, *failed])} did not finish")
    large = [one for one in sorted(store.glob("cells/*/previews")) if is_large(one)]
    size = sum(copy_small(one, folder / one.relative_to(store)) for one in large)
    for file in sorted(store.rglob("*")):
        name = file.relative_to(store).as_posix()
        if file.parent not in large and file.is_file() and is_known(name) and "/outputs/" not in name:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
            size += target.stat().st_size
    return size


def is_large(previews: Path) -> bool:
    """Return whether any file of pictures of a cell is larger than may be copied as it is."""
    return any(file.stat().st_size > MOST_PREVIEW_BYTES for file in previews.glob("*.safetensors"))


def copy_small(previews: Path, target: Path) -> int:
    """Write the pictures of a cell's first samples, smaller, and return the bytes."""
    kept = KeptOutputs(previews)
    size = 0
    for sample_id, seed in sorted(kept.captions)[:SMALL_SAMPLES]:
        found = kept.batch([sample_id], seed) or []
        pictures = [{name: smaller(np.asarray(pixels)) for name, pixels in one.items()} for one in found]
        target.mkdir(parents=True, exist_ok=True)
        written = write_outputs(target, f"s{seed}-small", [sample_id], seed, pictures, [kept.captions[sample_id, seed]])
        size += written.stat().st_size
    return size


def smaller(pixels: Array) -> Array:
    """Return a picture [..., height, width, 3] with at most ``SMALL_PX`` on a side: of every square of pixels the brightest.

    The brightest, not the mean: outlines and points are one pixel wide on a dark ground, and would vanish.
    """
    height, width = pixels.shape[-3:-1]
    side = -(-max(height, width) // SMALL_PX)
    if side == 1:
        return pixels
    rows, columns = height // side, width // side
    lead = pixels.shape[:-3]
    cut = pixels[..., : rows * side, : columns * side, :].reshape(*lead, rows, side, columns, side, 3)
    squares = np.moveaxis(cut, -4, -3).reshape(*lead, rows, columns, side * side, 3)
    brightest = squares.astype(np.int64).sum(-1).argmax(-1)[..., None, None]
    return np.ascontiguousarray(np.take_along_axis(squares, brightest, -2)[..., 0, :])


def main() -> None:
    """Do it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stores", nargs="+", type=Path)
    parser.add_argument("--into", type=Path, required=True)
    asked = parser.parse_args()
    fresh = asked.into.with_name(asked.into.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    size = sum(copy(store, fresh / store.name) for store in asked.stores)
    if size > MOST_BYTES:
        sys.exit(f"{fresh}: {size / 1e6:.1f} MB, more than may ship; keep fewer samples")
    shutil.rmtree(asked.into, ignore_errors=True)
    fresh.rename(asked.into)
    print(f"{asked.into}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
