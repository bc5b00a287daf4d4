"""What MixDQ buys on the embedded models: start tokens where one is massive, plans against uniform bits of equal size."""

import numpy as np
import pytest

from effbench.api import Context
from effbench.quantization.bitplan import BitPlan, LayerBits, write_plan
from effbench.quantization.bos import find_start_tokens, projections_of
from effbench.tasks.t2i.task import TextToImage
from effbench_baselines.mixdq.method import MixDQ
from effbench_baselines.mixdq.structure import quantizable, restructure


class Trial:
    """Pictures of some prompts in float, and the PSNR in dB of those that a method makes, prompt by prompt."""

    def __init__(self, system, prompts):
        self.task = TextToImage(TextToImage.Params(system=system, prompts="emoji", steps=4, guidance=1.0))
        self.ctx = Context(calibration=lambda: self.task.samples("calibration"), run=self.task.run)
        self.samples = self.task.samples("evaluation")[:prompts]
        self.reference = self.pictures(self.load())

    def load(self):
        return self.task.load(self.ctx)

    def pictures(self, system):
        return np.stack([output["image"] for output in self.task.run(system, self.samples, 0)]).astype(np.float64)

    def psnr_db(self, **params):
        method = MixDQ(MixDQ.Params(calibration_samples=8, **params))
        artifact = method.prepare(self.load(), self.ctx)
        changed = self.pictures(method.apply(self.load(), artifact))
        return -10 * np.log10(np.square(changed - self.reference).mean(axis=(1, 2, 3))), artifact


def keys_and_values(trial, bos):
    """Return a plan with 8 bits for the keys and values of the text, and the rest in float."""
    system = trial.load()
    texts = {name for name, _ in projections_of(system)}
    restructure(system, find_start_tokens(system, trial.ctx, trial.samples) if bos else None, False)
    layers = {}
    for name, layer in quantizable(system).items():
        bits = 8 if name.removesuffix(".rest") in texts else 16
        layers[name] = LayerBits(weight=bits, activation=bits, parameters=layer.weight.numel())
    settings = {name: system.settings()[name] for name in MixDQ.tied_to}
    return BitPlan.of("mixdq", settings, layers)


@pytest.mark.proof
def test_a_massive_start_token_costs_nothing_once_its_keys_and_values_are_kept(tmp_path):
    trial, found = Trial("zoo:emoji-turbo-bos", 4), {}
    for bos in (False, True):
        path = tmp_path / f"{bos}.yaml"
        write_plan(path, keys_and_values(trial, bos))
        found[bos], _ = trial.psnr_db(plan=str(path), bos=bos, split=False, simulate=True)
    assert (found[True] - found[False]).mean() > 15


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_searched_plan_is_above_uniform_bits_of_equal_size():
    trial = Trial("zoo:emoji-turbo", 12)
    uniform, _ = trial.psnr_db(weight_bits=4, uniform=True, protect=0.0)
    searched, artifact = trial.psnr_db(weight_bits=4, protect=0.0, search_samples=2)
    assert artifact.config["bit_plan"]["mean_bits"]["weight"] <= 4
    gain = searched - uniform
    assert gain.mean() > 2 and gain.mean() > 2 * gain.std() / len(gain) ** 0.5
