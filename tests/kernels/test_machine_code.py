"""Machine code is compiled once: not again in another process, never half read, never by two for one."""

import ctypes
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from effbench.kernels import isa, machine_code
from effbench.kernels.emitter import Program

CHILD = """
from effbench.kernels import machine_code
from effbench.kernels.linear_w8a8 import pack_w8a8, linear_w8a8, quantize_weight
import torch
packed = pack_w8a8(quantize_weight(torch.eye(32)))
before = machine_code.compilations
linear_w8a8(torch.eye(32), packed)
linear_w8a8(torch.eye(32), packed, rotate=True)
assert machine_code.compilations == before, "a first call compiled"
print(before)
"""


def child(cache):
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", CHILD], env=environment, stdout=subprocess.PIPE, text=True)


def program_that_stores(number):
    program = Program()
    with program.kernel("store", ("target",)) as (code, job):
        code.store(code.i64(number), job["target"])
    return program.text()


def run(address):
    result = ctypes.c_int64(0)
    job = (ctypes.c_int64 * 3)(0, 0, ctypes.addressof(result))
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)(job)
    return result.value


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(machine_code, "_loaded", {})
    return tmp_path / "effbench" / "kernels"


def test_packing_compiles_and_a_second_process_does_not(tmp_path):
    first = [child(tmp_path), child(tmp_path)]  # at once
    for process in first:
        assert int(process.communicate(timeout=60)[0]) <= 2 and process.returncode == 0
    second = child(tmp_path)
    assert second.communicate(timeout=60)[0].strip() == "0" and second.returncode == 0
    names = [file.suffix for file in (tmp_path / "effbench" / "kernels").iterdir()]
    assert names == [".o", ".o"], "the layer's and the rotation's, and no temporary file"


def test_a_damaged_file_is_compiled_anew(fresh, monkeypatch):
    text, machine = program_that_stores(7), isa.current()
    assert run(machine_code.address_of("store", text, machine)) == 7
    (file,) = fresh.iterdir()
    whole = file.read_bytes()
    for damage in (whole[:-5], whole[:40], b"", whole[:-1] + bytes([whole[-1] ^ 1])):
        file.write_bytes(damage)
        monkeypatch.setattr(machine_code, "_loaded", {})
        before = machine_code.compilations
        assert run(machine_code.address_of("store", text, machine)) == 7
        assert machine_code.compilations == before + 1
        assert file.read_bytes() == whole


def test_another_program_processor_or_compiler_is_another_file(fresh, monkeypatch):
    machine_code.address_of("store", program_that_stores(1), isa.current())
    assert run(machine_code.address_of("store", program_that_stores(2), isa.current())) == 2
    machine_code.address_of("store", program_that_stores(1), isa.named("portable"))
    different = isa.named("portable") != isa.current() and isa.named("portable").cpu != isa.current().cpu
    assert len(list(fresh.iterdir())) == 2 + different
    monkeypatch.setattr(machine_code, "_versions", lambda: ("other",))
    machine_code.address_of("store", program_that_stores(1), isa.current())
    assert len(list(fresh.iterdir())) == 3 + different


def test_a_folder_that_cannot_be_written_costs_time_alone(tmp_path, monkeypatch):
    (tmp_path / "effbench").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(machine_code, "_loaded", {})
    assert run(machine_code.address_of("store", program_that_stores(3), isa.current())) == 3


def test_threads_of_one_process_compile_once(fresh):
    before = machine_code.compilations
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(lambda _: machine_code.address_of("store", program_that_stores(9), isa.current()), range(8))
        )
    assert len(set(found)) == 1 and machine_code.compilations == before + 1
