"""Which vector instructions a processor has, and how many bits of an activation code they multiply exactly.

``EFFBENCH_ISA`` forces a smaller instruction set than the processor's, to measure or test what other machines get.
"""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass
from functools import cache

from effbench.errors import nearest

VARIABLE = "EFFBENCH_ISA"


@dataclass(frozen=True)
class Isa:
    """An instruction set as the kernels see it.

    ``lanes`` is how many float32 a vector register holds, ``registers`` how many of those there are, ``activation_bits`` the
    widest unsigned code whose product with an int8 weight is exact. ``cpu`` and ``features`` name the processor to LLVM.
    """

    name: str
    vectors: str
    """The instruction set of everything but the linear layers' products: its own, or the one without matrix tiles."""
    lanes: int
    registers: int
    activation_bits: int
    cpu: str
    features: str


ACTIVATION_BITS = {"amx-int8": 8, "avx512-vnni": 8, "avx2": 7, "portable": 8}
"""pmaddubsw of AVX2 adds two products of u8 and s8 in 16 bits and saturates: 2 * 127 * 127 = 32,258 still fits into them,
2 * 255 * 127 does not. tdpbusd of AMX, vpdpbusd of VNNI, and plain 32-bit products, add in 32 bits."""
ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA = 158, 0x1023, 18
"""Linux on x86-64: the system call, and what it is asked for (Documentation/arch/x86/xstate.rst)."""
LARGEST_FIRST = tuple(ACTIVATION_BITS)


def detect() -> str:
    """Return the largest instruction set of this processor that the kernels know."""
    import llvmlite.binding as llvm

    has = llvm.get_host_cpu_features()
    if all(has.get(feature) for feature in ("avx512f", "avx512bw", "avx512vl", "avx512vnni")):
        has_tiles = has.get("amx-int8") and has.get("amx-tile") and tiles_are_allowed()
        return "amx-int8" if has_tiles else "avx512-vnni"
    return "avx2" if has.get("avx2") and has.get("fma") else "portable"


@cache
def tiles_are_allowed() -> bool:
    """Ask Linux to let this process use the tile registers of AMX, which it gives to no process by itself."""
    if sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None).syscall(ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0)


def activation_bits(name: str | None = None) -> int:
    """Return the widest activation code that an instruction set multiplies exactly; the current one's by default."""
    return ACTIVATION_BITS[name or current().name]


def current() -> Isa:
    """Return the instruction set that kernels use: the processor's, or the smaller one that ``EFFBENCH_ISA`` names.

    Raises ``ValueError`` where it names one that is unknown or that this processor does not have.
    """
    return _chosen(os.environ.get(VARIABLE, ""))


@cache
def _chosen(forced: str) -> Isa:
    found = detect()
    if forced and forced not in ACTIVATION_BITS:
        raise ValueError(f"{VARIABLE}={forced}: no such instruction set{nearest(forced, ACTIVATION_BITS)}")
    if forced and LARGEST_FIRST.index(forced) < LARGEST_FIRST.index(found):
        raise ValueError(f"{VARIABLE}={forced}: this processor has no more than {found}")
    return named(forced or found)


@cache
def named(name: str) -> Isa:
    """Return an instruction set of this processor by its name."""
    import llvmlite.binding as llvm

    host, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features()
    if name in ("amx-int8", "avx512-vnni"):
        return Isa(name, "avx512-vnni", 16, 32, ACTIVATION_BITS[name], host, features.flatten())
    if name == "avx2":
        # Beyond AVX2 nothing may be used, so that what is forced is what a processor without AVX-512 would run.
        smaller = not features.get("avx512f")
        return Isa(
            name, name, 8, 16, ACTIVATION_BITS[name], *((host, features.flatten()) if smaller else ("x86-64-v3", ""))
        )
    return Isa(name, name, 4, 16, ACTIVATION_BITS[name], host, features.flatten())
