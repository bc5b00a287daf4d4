"""Installs plugins written on the spot, as a stranger's package would be, and runs the command line in this process."""

import itertools
import json
import signal
import sys
import textwrap
from dataclasses import dataclass

from effbench import registry
from effbench.api import Method, Task
from effbench.cli.app import run_app
from effbench.registry import Registry

COUNT = itertools.count()
WORKLOAD = "{id: w, use: workload, with: {units: 2, size: 8, samples: 4}}"
HEADER = """
import os, sys
from dataclasses import dataclass
import numpy as np
from effbench.api import *
from effbench.api import Output
from effbench.tasks.workload.system import Workload
from effbench.tasks.workload.task import WorkloadTask

class M(Method):
    accepts = (Workload,)
    def apply(self, system, artifact):
        return system
"""


@dataclass
class Strangers:
    """A folder of plugins on ``sys.path``, and ``cli(...)`` -> exit code, with what was printed in ``out`` and ``err``."""

    path: object
    monkeypatch: object
    capfd: object
    out: str = ""
    err: str = ""

    def install(self, source, methods=(), tasks=(), header=HEADER):
        """Write a distribution whose classes are named as entry points: ``{"name": "Class"}``."""
        name = f"stranger_{next(COUNT)}"
        (self.path / f"{name}.py").write_text(header + textwrap.dedent(source))
        info = self.path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        groups = {"effbench.methods": methods, "effbench.tasks": tasks}
        lines = [
            line
            for group, found in groups.items()
            for line in (f"[{group}]", *(f"{n} = {name}:{cls}" for n, cls in dict(found).items()))
        ]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        self.monkeypatch.setattr(registry, "tasks", Registry("task", "effbench.tasks", Task))
        self.monkeypatch.setattr(registry, "methods", Registry("method", "effbench.methods", Method))

    def suite(self, methods=(), tasks=(WORKLOAD,), name="s", reference=True, extra="", file="suite.yaml", seeds=(0,)):
        """Write a suite that measures quality alone, with ``reference`` first, and return its path."""
        lines = [*(["{use: reference, role: reference}"] if reference else []), *methods]
        text = f"schema: effbench/suite/1\nname: {name}\ntasks:\n"
        text += "".join(f"  - {line}\n" for line in tasks) + "methods:\n" + "".join(f"  - {line}\n" for line in lines)
        text += "measure: {latency: null, memory: false, flops: false, inspect: false, energy: 'off'}\n"
        text += f"stats: {{resamples: 200}}\nexecution: {{timeout_s: 30}}\nseeds: {list(seeds)}\n{extra}"
        path = self.path / file
        path.write_text(text)
        return path

    def __call__(self, *arguments):
        """Run a command in this process and return its exit code."""
        handler = signal.getsignal(signal.SIGTERM)
        self.monkeypatch.setattr(sys, "argv", ["effbench", *map(str, arguments)])
        self.capfd.readouterr()
        try:
            return run_app()
        finally:
            signal.signal(signal.SIGTERM, handler)
            self.out, self.err = self.capfd.readouterr()

    def json(self):
        return json.loads(self.out)
