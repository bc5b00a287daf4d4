"""What the tests of the caching peers share: small systems, one run of a method on them, and how near two outputs are."""

from functools import cache

import diffusion_systems as systems
import numpy as np

from effbench.api import Context

PIXART, DIT, LATTE, UNET = "PixArtSigmaPipeline", "DiTPipeline", "LattePipeline", "StableDiffusionXLPipeline"
COGVIDEOX = "CogVideoXPipeline"
STEPS = 6


def context(name, steps=STEPS):
    task, _ = systems.loaded(name, steps)
    return Context(calibration=lambda: systems.samples(name), run=task.run)


@cache
def reference(name, steps=STEPS):
    task, system = systems.loaded(name, steps)
    return task.run(system, systems.samples(name)[:1], 0)[0]


def applied(method, name, steps=STEPS):
    """Return the changed system, prepared on one calibration sample."""
    _, system = systems.loaded(name, steps)
    return method.apply(system, method.prepare(system, context(name, steps)))


def first_of(name, system, steps=STEPS):
    task, _ = systems.loaded(name, steps)
    return task.run(system, systems.samples(name)[:1], 0)[0]


def made(kind, **params):
    """Return a method that counts on one calibration sample only."""
    if "calibration_samples" in kind.Params.model_fields:
        params = {"calibration_samples": 1, **params}
    return kind(kind.Params(**params))


def is_equal(a, b):
    return all(np.array_equal(a[key], b[key]) for key in a)


def psnr(a, b):
    key = next(key for key in a if key != "latent")
    return -10 * np.log10(float(((a[key] - b[key]) ** 2).mean()) or 1e-30)


def structure(denoiser):
    """Return what hooks could leave on modules: their attributes and their children, by name."""
    return [(name, sorted(vars(module)), list(module._modules)) for name, module in denoiser.named_modules()]
