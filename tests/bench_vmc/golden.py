"""``python -m bench_vmc.golden``: OpenFermion's matrices of small molecules, which the tests compare our engines with."""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from scipy.sparse import load_npz

from bench_vmc.samples import sample_of

MOLECULES = ("h2", "lih", "h2o")
FILE = Path(__file__).parent.parent / "kernels" / "local_energy" / "openfermion.npz"


def main() -> None:
    """Write the upper triangles (CSR) with the hashes of the integrals they belong to."""
    parser = argparse.ArgumentParser(prog="python -m bench_vmc.golden")
    parser.add_argument("--peer-python", type=Path, default=Path(".venv-vmc-peers/bin/python"))
    python, found = parser.parse_args().peer_python, {}
    for name in MOLECULES:
        sampled = sample_of(name, 10_000)
        with tempfile.TemporaryDirectory() as folder:
            np.savez(Path(folder) / "job.npz", **sampled.job())
            subprocess.run([python, Path(__file__).with_name("peer.py"), folder, "--matrices"], check=True)
            matrix = load_npz(Path(folder) / "matrix.npz")
        found |= {
            f"{name}.values": matrix.data,
            f"{name}.columns": matrix.indices.astype(np.int16),
            f"{name}.rows": matrix.indptr.astype(np.int32),
            f"{name}.sha256": np.array(sampled.integrals.sha256),
        }
    np.savez_compressed(FILE, **found)


if __name__ == "__main__":
    main()
