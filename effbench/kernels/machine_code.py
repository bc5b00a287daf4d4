"""Compiles LLVM IR once per machine: the machine code is kept on disk, so no later process compiles it again.

A file is named after the text of the program, the processor that it is for and the version of the compiler: whatever could
change the code changes the name, and nothing on disk can go stale. A file is whole or not there, and starts with the hash of
its content; one that is damaged is compiled anew.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from effbench.atomic import write_bytes
from effbench.cachedir import cache_folder
from effbench.errors import StoreError
from effbench.kernels.isa import Isa

FORM = "1"
"""Of the files; raised when what stands in one changes."""
OPTIMIZATION = 2
"""LLVM's -O2: the vectors are written out, so what -O3 adds would find nothing to do."""

_loaded: dict[str, int] = {}
_engines: list[Any] = []
"""Owners of the code in ``_loaded``: it lives as long as they do."""
_lock = threading.Lock()
compilations = 0
"""Programs that this process compiled because they were not on disk."""


def address_of(function: str, program: str, isa: Isa, symbols: Mapping[str, int] | None = None) -> int:
    """Return the address of a function of a program in LLVM IR, compiled for an instruction set.

    ``symbols`` are addresses of functions that the program calls and this process holds.
    """
    digest = hashlib.sha256("\0".join((FORM, program, isa.cpu, isa.features, *_versions())).encode()).hexdigest()
    with _lock:
        if digest not in _loaded:
            _loaded[digest] = _load(_object_code(digest, program, isa), function, isa, symbols or {})
        return _loaded[digest]


def _versions() -> tuple[str, ...]:
    return version("numba"), version("llvmlite"), str(OPTIMIZATION)


def folder() -> Path:
    """Return where machine code is kept: in the user's cache folder, or in one of this user alone."""
    return cache_folder() / "kernels"


def _object_code(digest: str, program: str, isa: Isa) -> bytes:
    """Return the object file of a program, from disk where it is there and whole."""
    global compilations
    path = folder() / f"{digest}.o"
    if (kept := _read(path)) is not None:
        return kept
    code = _compile(program, isa)
    compilations += 1
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_bytes(path, hashlib.sha256(code).digest() + code)
    except (OSError, StoreError):  # a folder that cannot be written costs the next process its compile time, no more
        pass
    return code


def _read(path: Path) -> bytes | None:
    """Return the object code of a file; None where it is absent, damaged or another user's (it would run as us)."""
    try:
        if hasattr(os, "getuid") and path.stat().st_uid not in (os.getuid(), 0):
            return None
        content = path.read_bytes()
    except OSError:
        return None
    code = content[hashlib.sha256().digest_size :]
    return code if content[: hashlib.sha256().digest_size] == hashlib.sha256(code).digest() else None


@cache
def _llvm() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


@cache
def _machine(cpu: str, features: str) -> Any:
    target = _llvm().Target.from_default_triple()
    return target.create_target_machine(
        cpu=cpu, features=features, opt=OPTIMIZATION, reloc="pic", codemodel="jitdefault", jit=True
    )


def _compile(program: str, isa: Isa) -> bytes:
    llvm, machine = _llvm(), _machine(isa.cpu, isa.features)
    module = llvm.parse_assembly(program)
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=OPTIMIZATION)
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    return bytes(machine.emit_object(module))


def assembly(program: str, isa: Isa) -> str:
    """Return the assembly of a program, for who reads or tunes it."""
    llvm, machine = _llvm(), _machine(isa.cpu, isa.features)
    module = llvm.parse_assembly(program)
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    options = llvm.create_pipeline_tuning_options(speed_level=OPTIMIZATION)
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    return str(machine.emit_assembly(module))


def _load(code: bytes, function: str, isa: Isa, symbols: Mapping[str, int]) -> int:
    llvm = _llvm()
    for name, address in symbols.items():
        llvm.add_symbol(name, address)
    # An engine owns its machine, so each gets one of its own.
    target = llvm.Target.from_default_triple()
    machine = target.create_target_machine(
        cpu=isa.cpu, features=isa.features, reloc="pic", codemodel="jitdefault", jit=True
    )
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    return int(engine.get_function_address(function))
