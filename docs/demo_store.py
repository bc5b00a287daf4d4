"""Copy of finished stores what a board needs to show them: ``demo_store.py STORE... --into FOLDER``; the rest stays behind.

Kept are the files that a submission may hold (records, jobs, samples, timings, pictures), without outputs, weights and logs.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from effbench.store import read_store
from effbench.submission.manifest import is_known

MOST_BYTES = 8 << 20
"""What may ship with the package: a few MB, or every install pays for pictures."""
MOST_PREVIEW_BYTES = 256 << 10
"""Of one file of pictures: LiDAR frames from above, a megabyte each as they are kept, would be the whole package."""


def copy(store: Path, folder: Path) -> int:
    """Copy a store and return the bytes; exits with a sentence where it is not finished or a cell of it failed."""
    view = read_store(store)
    failed = [cell.method_id for cell in view.cells if cell.status == "failed"]
    if view.unfinished or failed:
        sys.exit(f"{store}: not to be shipped: {', '.join([*view.unfinished, *failed])} did not finish")
    size = 0
    for file in sorted(store.rglob("*")):
        name = file.relative_to(store).as_posix()
        if "/previews/" in name and file.stat().st_size > MOST_PREVIEW_BYTES:
            continue
        if file.is_file() and is_known(name) and "/outputs/" not in name:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
            size += target.stat().st_size
    return size


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
