"""What the compiler makes of the kernels for cards that are not there: no spills, tensor cores, nothing contracted."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

pytestmark = pytest.mark.timeout(600)  # a minute of compiling, on a machine that may be busy

PAGE = Path(__file__).parents[2] / "docs" / "gpu-kernels.md"
COMPILE = """
import json, sys
from effbench.kernels.gpu_launch import Options
from effbench.kernels.gpu_resources import CAPABILITIES, CompiledCase, cases, int8_rows, int8_weight, resources, table
from effbench.kernels.gpu_tiles import ProductTile
from effbench.kernels.linear_w8a8.gpu import linear_w8a8
found = [one for case in cases() for card in CAPABILITIES for one in resources(case, card)]
tile = ProductTile(128, 128, 64, Options(8, 3))
large = CompiledCase("", True, lambda: linear_w8a8(int8_rows(1, 1021, 1151), int8_weight(997, 1151), None, tile=tile))
planted, = resources(large, 80)
json.dump({"found": [one._asdict() for one in found], "table": table(found), "planted": planted._asdict()}, sys.stdout)
"""


@pytest.fixture(scope="session")
def report(shared):
    """Compile in a process of its own: the interpreter of this one takes the place of the compiler. Once for all workers."""
    written = shared / "gpu-resources.json"
    with FileLock(f"{written}.lock"):
        if not written.exists():
            env = {**os.environ, "TRITON_INTERPRET": "0"}
            done = subprocess.run([sys.executable, "-c", COMPILE], capture_output=True, text=True, timeout=580, env=env)
            assert done.returncode == 0, done.stderr
            written.write_text(done.stdout, encoding="utf-8")
    return json.loads(written.read_text(encoding="utf-8"))


@pytest.fixture
def found(report):
    return report["found"]


def test_no_product_spills(found):
    products = [one for one in found if one["product"]]
    kernels = {
        "linear_w8a8",
        "linear_w4a8",
        "linear_w4a16",
        "conv2d_w8a8",
        "window_attention",
        "sparse_conv",
        "sparse_gradient",
    }
    assert {one["kernel"] for one in products} >= kernels
    assert {one["capability"] for one in products} == {80, 90}
    spilled = [(one["case"], one["capability"]) for one in products if one["stack_bytes"] or one["local_bytes"]]
    assert spilled == []
    assert not any(re.search(r"\b(?:ld|st)\.local", one["ptx"]) for one in products)


def test_a_spill_would_be_seen(report):
    """A tile that is good for rows that begin at multiples of 16 bytes, given ones that do not."""
    assert report["planted"]["stack_bytes"] > 0


def test_every_program_fits_into_the_shared_memory_of_its_card(found):
    from effbench.kernels.gpu_resources import SHARED_LIMIT

    assert [one["case"] for one in found if one["shared_bytes"] > SHARED_LIMIT[one["capability"]]] == []


def test_products_run_in_the_tensor_cores_in_their_type(found):
    for one in found:
        if one["kernel"] in ("linear_w8a8", "linear_w4a8", "conv2d_w8a8"):
            assert re.search(r"mma\S*\.s32\.s8\.s8", one["ptx"]), one["case"]
            assert "IMMA" in one["tensor_core"] or "IGMMA" in one["tensor_core"], one["case"]
        elif one["kernel"] in ("linear_w4a16", "window_attention", "sparse_conv", "sparse_gradient"):
            assert "HMMA" in one["tensor_core"] or "HGMMA" in one["tensor_core"], one["case"]


def test_rounding_is_not_contracted(found):
    exact = [one for one in found if one["kernel"] in ("quantize_rows", "quantize_images")]
    assert len({one["kernel"] for one in exact}) == 2
    for one in exact:
        used = set(re.findall(r"\b(?:mul|add|sub|fma|div)\S*\.f32", one["ptx"]))
        # Without .rn the assembler may join a product and a sum.
        assert (
            {"mul.rn.f32", "add.rn.f32", "div.rn.f32"}
            <= used
            <= {"mul.rn.f32", "add.rn.f32", "sub.rn.f32", "div.rn.f32"}
        )


def test_the_table_of_the_page_is_what_is_found(report):
    begin, end = "--page docs/gpu-kernels.md) -->\n", "\n<!-- resources:end -->"
    text = PAGE.read_text(encoding="utf-8")
    assert text[text.index(begin) + len(begin) : text.index(end)] == report["table"], (
        "python -m effbench.kernels.gpu_resources --page docs/gpu-kernels.md writes it anew"
    )
