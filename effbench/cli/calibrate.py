"""``effbench calibrate``: the peaks of this machine, how quiet it was meanwhile, and where both are kept."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer


def calibrate(
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="CPU threads; default: the physical cores.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda (cuda:N).")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure the peaks of this machine (products by data type, memory bandwidth) and keep them for later runs."""
    import time

    from effbench.errors import BadInput, StoreError
    from effbench.measure import roofline
    from effbench.measure.machine import fingerprint, physical_cores, resolve_device
    from effbench.measure.noise import NoiseMeter
    from effbench.readings import grade

    if device not in ("auto", "cpu") and device.partition(":")[0] != "cuda":
        raise BadInput(f"--device {device!r} is not known; valid: auto, cpu, cuda, cuda:N")
    resolved = resolve_device(device)
    if resolved is None:
        raise BadInput(f"--device {device}: there is no such device here")
    import torch  # noqa: F401 - loading it is no part of the reading of the machine

    meter, cpu_before = NoiseMeter(resolved), time.process_time()
    meter.start()
    measured = roofline.calibrate(threads or physical_cores(), resolved, between=meter.ticks)
    reading = meter.stop(time.process_time() - cpu_before)
    letter, reasons = grade(reading)
    machine = fingerprint()
    unkept = ""
    try:
        path = str(roofline.save(measured, machine))
    except StoreError as error:
        path, unkept = "", str(error)
    kept = roofline.load(machine, measured.threads, resolved) or measured
    if as_json:
        noise = {"grade": letter, "reasons": reasons, **reading._asdict()}
        found = {
            "machine": machine,
            "measured": asdict(measured),
            "kept": asdict(kept),
            "noise": noise,
            "file": path or None,
        }
        print(json.dumps(found, indent=1))
        if unkept:
            raise StoreError(f"measured, and not kept for later runs: {unkept}")
        return
    print(
        f"machine {machine}, {resolved}, {measured.threads} threads, torch {measured.torch}: {measured.seconds:.1f} s"
    )
    print(f"\n{'':10} {'peak':>14}  {'spread':>6}  {'ridge':>13}  {'kept':>14}")
    for dtype, rate in measured.gemm_gflops.items():
        ridge, spread = f"{measured.ridge(dtype):.1f} FLOP/B", measured.spread[dtype]
        print(f"{dtype:10} {rate:7.1f} GFLOP/s  {spread:6.1%}  {ridge:>13}  {kept.gemm_gflops[dtype]:7.1f} GFLOP/s")
    spread, bandwidth = measured.spread["bandwidth"], f"{measured.bandwidth_gb_s:.1f} GB/s"
    print(f"{'memory':10} {bandwidth:>14}  {spread:6.1%}  {'':13}  {f'{kept.bandwidth_gb_s:.1f} GB/s':>14}")
    print(f"\nnoise grade {letter}{': ' if reasons else ''}{'; '.join(reasons)}")
    if letter == "C":
        print("peaks of a busy machine are too low: repeat this when it is quiet, the higher ones are kept")
    if unkept:
        raise StoreError(f"measured, and not kept for later runs: {unkept}")
    print(f"kept in {path}")
