"""Peers of ViDiT-Q: the contract of each, what is real of them, and what each does to planted outliers."""

import diffusion_systems as systems
import pytest

from effbench.api import Context
from effbench.quantization.preparing import prepare
from effbench.tasks.t2i.task import TextToImage
from effbench.testing import check_method
from effbench_baselines.quantization_peers.method import NaiveStatic, PTQ4DiT, QDiT, QuaRot, SmoothQuant, SVDQuant

PEERS = (NaiveStatic, SmoothQuant, QuaRot, QDiT, PTQ4DiT, SVDQuant)


@pytest.mark.proof
@pytest.mark.parametrize("peer", PEERS)
def test_each_keeps_the_contract(peer):
    task = TextToImage(TextToImage.Params(steps=2))
    check_method(peer, params=peer.Params(calibration_samples=2), task=task, rtol=systems.ROUNDED, fresh_process=False)


def test_importing_them_is_light():
    from effbench.testing.fresh_process import importing_is_light

    assert list(importing_is_light(NaiveStatic)) == []


@pytest.mark.parametrize(
    ("peer", "bits", "execution"),
    [
        (NaiveStatic, (8, 8), "real"),
        (NaiveStatic, (4, 8), "simulated"),  # its convolutions have no kernel of 4-bit weights
        (SmoothQuant, (8, 8), "real"),
        (SmoothQuant, (6, 6), "simulated"),
        (QuaRot, (4, 8), "real"),
        (QDiT, (8, 8), "simulated"),  # scales along the sum
        (PTQ4DiT, (8, 8), "real"),
        (SVDQuant, (4, 4), "simulated"),
        (SVDQuant, (4, 8), "real"),
    ],
)
def test_what_is_real(peer, bits, execution):
    weight, activation = bits
    method = peer(peer.Params(weight_bits=weight, activation_bits=activation))
    assert method.execution() == execution and bool(method.kernels) == (execution == "real")


@pytest.mark.proof
def test_each_is_the_recipe_that_its_name_says():
    plans = {}
    for peer in PEERS:
        systems.loaded.cache_clear()
        task, system = systems.loaded("DiTPipeline")
        context = Context(calibration=lambda: systems.samples("DiTPipeline"), run=task.run)
        params = {"group": 64} if peer is QDiT else {}  # the layer that is looked at has 128 inputs
        artifact = prepare(system, context, peer(peer.Params(**params)).recipe())
        layer = next(iter(artifact.config["layers"]))
        keys = {key.removeprefix(f"{layer}/0/") for key in artifact.tensors if key.startswith(f"{layer}/")}
        plans[peer] = (keys, artifact.config["layers"][layer][0])
    codes = {"codes", "scale", "zero"}
    assert plans[NaiveStatic][0] == codes and "static" in plans[NaiveStatic][1]
    assert plans[SmoothQuant][0] == {*codes, "multiplier"} and not plans[SmoothQuant][1]["rotated"]
    assert plans[QuaRot][0] == {*codes, "multiplier"} and plans[QuaRot][1]["rotated"]
    assert plans[QDiT][0] == codes and plans[QDiT][1]["groups"] > 1
    assert plans[PTQ4DiT][0] == {*codes, "multiplier"} and "static" in plans[PTQ4DiT][1]
    assert plans[SVDQuant][0] == {*codes, "multiplier", "down", "up"}
