"""Where a process's arrays lie, and whether the system has to hand out their pages again at every call.

Both differ from process to process for reasons that are no method's, by 10 % and more of a transformer block's time, and
both are the same in every process forked from one server. So every process that times something, a peer's included, starts
with ``settled_memory``. Free of heavy imports.
"""

from __future__ import annotations

import secrets

BLOCKS, LEAST_UNITS, UNITS, UNIT_BYTES = 16, 64, 2048, 16
"""A unit is malloc's alignment on 64 bits. A block has 1 to 33 KB: above the 512 bytes up to which Python hands out memory
of its own, below the 128 KB from which malloc maps pages. Sixteen of them (a choice) move a heap by 278 KB on average."""
GLIBC_LARGEST_BYTES = 32 * 2**20
"""Up to this size the C library of Linux learns from a freed block: it then keeps such blocks instead of returning them."""


def settled_memory() -> tuple[bytes, ...]:
    """Bring the allocator to where a long-lived process has it, and return blocks to be held, so that addresses differ.

    A young process maps each block of over 128 KB anew and returns it when it is freed, so that every call pays for page
    faults, until it happens to free a larger block; one freed block of the largest size that counts ends that.
    Workers forked from one server inherit its addresses. Where a system's arrays lie then depends on the method alone and is
    the same in every round, a difference in time that no number of rounds averages out
    (Mytkowicz et al. 2009, Producing wrong data without doing anything obviously wrong!).
    """
    freed_at_once = bytes(GLIBC_LARGEST_BYTES - 2**16)
    del freed_at_once
    return tuple(bytes(UNIT_BYTES * (LEAST_UNITS + secrets.randbelow(UNITS))) for _ in range(BLOCKS))
