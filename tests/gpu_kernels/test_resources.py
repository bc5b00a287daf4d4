"""What the compiler makes of the kernels for cards that are not there: no spills, tensor cores, nothing contracted."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "gpu-kernels.md"
COMPILE = """
import json, sys
from effbench.kernels.gpu_resources import CAPABILITIES, cases, resources, table
found = [one for case in cases() for card in CAPABILITIES for one in resources(case, card)]
json.dump({"found": [one._asdict() for one in found], "table": table(found)}, sys.stdout)
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Compile in a process of its own: the interpreter of this one takes the place of the compiler."""
    env = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path_factory.mktemp("triton"))}
    done = subprocess.run([sys.executable, "-c", COMPILE], capture_output=True, text=True, timeout=280, env=env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def found(report):
    return report["found"]


def test_no_product_spills(found):
    products = [one for one in found if one["product"]]
    assert {one["kernel"] for one in products} >= {"linear_w8a8", "linear_w4a8", "linear_w4a16", "conv2d_w8a8"}
    assert {one["capability"] for one in products} == {80, 90}
    spilled = [(one["case"], one["capability"]) for one in products if one["stack_bytes"] or one["local_bytes"]]
    assert spilled == []
    assert not any(re.search(r"\b(?:ld|st)\.local", one["ptx"]) for one in products)


def test_every_program_fits_into_the_shared_memory_of_its_card(found):
    from effbench.kernels.gpu_resources import SHARED_LIMIT

    assert [one["case"] for one in found if one["shared_bytes"] > SHARED_LIMIT[one["capability"]]] == []


def test_products_run_in_the_tensor_cores_in_their_type(found):
    for one in found:
        if one["kernel"] in ("linear_w8a8", "linear_w4a8", "conv2d_w8a8"):
            assert re.search(r"mma\S*\.s32\.s8\.s8", one["ptx"]), one["case"]
            assert "IMMA" in one["tensor_core"] or "IGMMA" in one["tensor_core"], one["case"]
        elif one["kernel"] == "linear_w4a16":
            assert "HMMA" in one["tensor_core"] or "HGMMA" in one["tensor_core"], one["case"]


def test_rounding_is_not_contracted(found):
    rows = [one for one in found if one["kernel"] == "quantize_rows"]
    assert rows
    for one in rows:
        assert "fma.rn" not in one["ptx"] and "div.rn.f32" in one["ptx"]


def test_the_table_of_the_page_is_what_is_found(report):
    begin, end = "--page docs/gpu-kernels.md) -->\n", "\n<!-- resources:end -->"
    text = PAGE.read_text(encoding="utf-8")
    assert text[text.index(begin) + len(begin) : text.index(end)] == report["table"], (
        "python -m effbench.kernels.gpu_resources --page docs/gpu-kernels.md writes it anew"
    )
