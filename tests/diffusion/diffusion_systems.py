"""Loaded systems of every supported pipeline class: the embedded models, and small ones where none is embedded."""

from functools import cache

import tiny_pipelines

from effbench.api import Context, Sample
from effbench.tasks.t2i.task import TextToImage
from effbench.tasks.t2v.task import TextToVideo

ZOO = {
    "PixArtSigmaPipeline": (TextToImage, {"system": "zoo:digits-pixart"}),
    "DiTPipeline": (TextToImage, {"system": "zoo:digits-dit"}),
    "StableDiffusionXLPipeline": (TextToImage, {"system": "zoo:emoji-turbo", "prompts": "emoji"}),
    "LattePipeline": (TextToVideo, {"system": "zoo:moving-emoji-latte"}),
}
SMALL = ("CogVideoXPipeline", "WanPipeline")
"""Classes of which no model is embedded: tests use one with random weights."""
NAMES = (*ZOO, *SMALL)
ROUNDED = 0.2
"""How far an output in rounded codes may depend on its batch: a last bit that a batch decides moves a code, and the codes
of every layer after, as much as quantization itself does."""
TWO = {
    "PixArtSigmaPipeline": ("a handwritten 3", "a handwritten 8"),
    "StableDiffusionXLPipeline": ("a dog on a red ground", "an apple on a blue ground"),
    "LattePipeline": ("a dog moving left", "an apple moving right"),
    "CogVideoXPipeline": ("a red dog", "a blue star"),
    "WanPipeline": ("a red dog", "a blue star"),
}
"""Prompts that differ; DiT is asked for labels."""


@cache
def loaded(name, steps=2, guidance=3.0):
    """Return (task, system) of a pipeline class."""
    if name in ZOO:
        of_class, params = ZOO[name]
        task = of_class(of_class.Params(**params, steps=steps, guidance=guidance))
        return task, task.load(Context())
    # The task's own way from a pipeline to a system, without what looks at a folder that is not there.
    task = TextToVideo(TextToVideo.Params(steps=steps, guidance=guidance, height=16, width=16, long_prompts="cut"))
    task._check_prompts = lambda *_: None
    return task, task.system_of(tiny_pipelines.make(name))


def samples(name):
    """Return two samples that start from the same noise and ask for different things."""
    data = [{"label": 3}, {"label": 8}] if name == "DiTPipeline" else [{"prompt": prompt} for prompt in TWO[name]]
    return [Sample("same", given) for given in data]
