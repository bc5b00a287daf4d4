"""Systems of small pipelines with random weights, one of each class, without what looks at a model that is not there."""

from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import diffusion_systems as systems
import tiny_pipelines

from effbench.api import Context
from effbench.tasks.t2i.task import TextToImage
from effbench.tasks.t2v.task import TextToVideo


@cache
def tiny(name):
    """Return (task, system) of a class with random weights, two layers deep."""
    of_class = TextToVideo if name in ("LattePipeline", "CogVideoXPipeline", "WanPipeline") else TextToImage
    task = of_class(
        of_class.Params(system=f"hub/{name}", steps=2, guidance=3.0, height=16, width=16, long_prompts="cut")
    )
    task._check_prompts, task._trained_size, task._model = lambda *_: None, lambda: None, lambda: name
    task._source = SimpleNamespace(identity=lambda: "random")
    pipeline = tiny_pipelines.make(name)
    if name == "LattePipeline":
        config = {**pipeline.transformer.config, "num_layers": 2}
        pipeline.transformer = tiny_pipelines.livelier(type(pipeline.transformer).from_config(config))
    return task, task.system_of(pipeline)


def loaded(name, **settings):
    """Return (task, system, context) of a small pipeline of a class."""
    task, system = tiny(name)
    return task, replace(system, **settings), Context(calibration=lambda: systems.samples(name), run=task.run)
