"""Other people's libraries as methods: refused in one sentence where they cannot work, and under contract where they can.

The libraries are no part of the test environment; ``make test-peers`` runs this file with them (needs the network).
"""

from importlib.util import find_spec

import diffusion_systems as systems
import numpy as np
import pytest
import torch

from effbench.api import Context, Unsupported
from effbench.measure.memory import parameter_bytes
from effbench.tasks.t2i.task import TextToImage
from effbench.testing import check_method
from effbench_baselines.bitsandbytes.method import BitsAndBytes
from effbench_baselines.modelopt.method import ModelOpt
from effbench_baselines.nunchaku import method as nunchaku
from effbench_baselines.nunchaku.method import Nunchaku
from effbench_baselines.onnxruntime_dynamic.method import OnnxRuntimeDynamic
from effbench_baselines.pruna.method import Pruna
from effbench_baselines.quantize_dynamic.method import QuantizeDynamic
from effbench_baselines.quanto.method import Quanto
from effbench_baselines.row_by_row import RowByRow
from effbench_baselines.torchao.method import TorchAo

WRAPPED = {
    "torchao": TorchAo(),
    "quanto": Quanto(),
    "onnxruntime": OnnxRuntimeDynamic(),
    "bitsandbytes": BitsAndBytes(),
    "modelopt": ModelOpt(),
}
"""Extra -> a method that needs it."""


def needs(*packages):
    missing = [package for package in packages if find_spec(package) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{missing} not installed; make test-peers does so")


def task(**params):
    return TextToImage(TextToImage.Params(system="zoo:digits-pixart", steps=1, guidance=2.5, **params))


def system():
    return task().load(Context())


@pytest.mark.parametrize("extra", WRAPPED)
def test_without_its_package_a_peer_says_what_to_install(extra, monkeypatch):
    monkeypatch.setattr("effbench_baselines.packages.find_spec", lambda name: None)
    with pytest.raises(
        Unsupported, match=rf"^[\w-]+: the package '\w+' is missing; pip install 'effbench\[{extra}\]'$"
    ):
        WRAPPED[extra].apply(system(), None)


def test_pruna_and_nunchaku_are_no_extras_of_this_environment(monkeypatch):
    monkeypatch.setattr("effbench_baselines.packages.find_spec", lambda name: None)
    with pytest.raises(Unsupported, match="pruna: the package 'pruna' is missing; make test-peers"):
        Pruna(Pruna.Params(config={"quanto": {}})).apply(system(), None)
    with pytest.raises(Unsupported, match="PyPI's package of that name is another project"):
        Nunchaku().apply(system(), None)


@pytest.mark.parametrize("peer", [BitsAndBytes(), ModelOpt()], ids=lambda peer: peer.name)
def test_a_peer_of_gpus_refuses_a_cpu(peer, monkeypatch):
    monkeypatch.setattr("effbench_baselines.packages.find_spec", lambda name: object())
    with pytest.raises(Unsupported, match=rf"^{peer.name}: its kernels run on an NVIDIA GPU only, .* on cpu$"):
        peer.apply(system(), None)
    if isinstance(peer, ModelOpt):
        with pytest.raises(Unsupported, match="NVIDIA GPU only"):
            peer.prepare(system(), Context())


def test_the_package_of_that_name_on_pypi_is_not_taken_for_nunchaku(tmp_path, monkeypatch):
    """The other project has no folder of models; neither is imported to find that out."""
    folder = tmp_path / "nunchaku"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(Unsupported, match="is not the engine"):
        Nunchaku().apply(system(), None)
    (folder / "models").mkdir()
    with pytest.raises(Unsupported, match="NVIDIA GPU only"):
        Nunchaku().apply(system(), None)
    monkeypatch.setattr(nunchaku, "require_cuda", lambda *_: None)
    with pytest.raises(
        Unsupported, match="has no engine for PixArtTransformer2DModel; it has for: UNet2DConditionModel"
    ):
        Nunchaku().apply(system(), None)


def test_peers_of_float32_refuse_another_type():
    halved = system()
    halved.denoiser.to(torch.bfloat16)
    with pytest.raises(Unsupported, match=r"quantize-dynamic: .* not on cpu from torch.bfloat16"):
        QuantizeDynamic().apply(halved, None)


def test_every_row_gets_a_range_of_its_own():
    def rounded(x):  # a library's way: one range for all that it is given
        scale = x.abs().max() / 7
        return (x / scale).round() * scale

    linear = torch.nn.Linear(4, 4)
    x = torch.tensor([[[1.0, 0.2, 0.3, -0.4]], [[100.0, 2.0, 3.0, 4.0]]])
    layer = RowByRow(rounded, linear, packed_bytes=5)
    assert torch.equal(layer(x)[:1], rounded(x[:1])) and torch.equal(layer(x)[1:], rounded(x[1:]))
    assert not torch.equal(rounded(x)[:1], rounded(x[:1]))  # which is what the layer is for
    assert layer.packed_bytes() == 5 and torch.equal(layer(x[:1]), rounded(x[:1]))


@pytest.mark.whole
@pytest.mark.parametrize("engine", ["fbgemm", pytest.param("onednn", marks=pytest.mark.proof)])
def test_quantize_dynamic_keeps_the_contract_and_leaves_torch_as_it_was(engine):
    before = torch.backends.quantized.engine
    params = QuantizeDynamic.Params(engine=engine)
    check_method(QuantizeDynamic, task=task(), params=params, n_samples=2, rtol=systems.ROUNDED, fresh_process=False)
    assert torch.backends.quantized.engine == before


def test_an_engine_that_this_torch_lacks_is_refused(monkeypatch):
    monkeypatch.setattr(torch._C, "_supported_qengines", lambda: [0, 3])  # none and onednn, as torch numbers them
    with pytest.raises(Unsupported, match=r"no engine 'fbgemm'; it has: onednn$"):
        QuantizeDynamic().apply(system(), None)


@pytest.mark.parametrize("per_channel", [True, False])
def test_packed_weights_are_counted(per_channel):
    plain = system()
    layers = [(linear.weight.numel(), linear.out_features) for _, linear in plain.linear_layers()]
    saved = sum(3 * weights - 8 * (outputs if per_channel else 1) for weights, outputs in layers)
    quantized = QuantizeDynamic(QuantizeDynamic.Params(per_channel=per_channel)).apply(system(), None)
    assert parameter_bytes(plain) - parameter_bytes(quantized) == saved
    kept = [name for name, m in quantized.denoiser.named_modules() if isinstance(m, torch.nn.Linear)]
    assert kept and all(quantized.is_kept_in_float(name) for name in kept)


@needs("torchao")
@pytest.mark.parametrize("scheme", ["int8-dynamic", "int8-weight-only", "int4-weight-only"])
def test_torchao_keeps_the_contract(scheme):
    check_method(TorchAo, task=task(), params=TorchAo.Params(scheme=scheme), n_samples=2)


@needs("torchao")
def test_groups_that_torchao_would_skip_in_silence_are_refused():
    peer = TorchAo(TorchAo.Params(scheme="int4-weight-only", group_size=128))
    odd = system()
    odd.denoiser.transformer_blocks[0].attn1.to_q = torch.nn.Linear(96, 96)
    with pytest.raises(Unsupported, match="groups of 128 do not divide"):
        peer.apply(odd, None)


@needs("optimum.quanto" if find_spec("optimum") else "optimum")
@pytest.mark.parametrize("bits", [8, 4])
def test_quanto_keeps_the_contract_and_its_codes_are_counted(bits):
    check_method(Quanto, task=task(), params=Quanto.Params(bits=bits), n_samples=2)
    plain, quantized = system(), Quanto(Quanto.Params(bits=bits)).apply(system(), None)
    codes = sum(linear.weight.numel() for _, linear in plain.linear_layers())
    saved = parameter_bytes(plain) - parameter_bytes(quantized)
    assert (4 - bits / 8) * codes * 0.9 < saved < (4 - bits / 8) * codes  # less by the scales


@needs("onnxruntime", "onnx")
def test_onnxruntime_keeps_the_contract():
    check_method(OnnxRuntimeDynamic, task=task(), n_samples=2)


@needs("onnxruntime", "onnx")
@pytest.mark.parametrize("shape", [(1, 7, 5), (3, 64, 33)])
@pytest.mark.parametrize("has_bias", [True, False])
def test_a_session_computes_the_quantized_product(shape, has_bias):
    from effbench_baselines.onnxruntime_dynamic.session import LayerSession, quantized_weight

    rows, inner, outer = shape
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (torch.randn(s, generator=generator) for s in ((1, rows, inner), (outer, inner), (outer,)))
    weight[2] = 0  # a channel of zeros
    bias = bias if has_bias else None
    # 7-bit weights, so that the sums are exact on a processor without VNNI, too.
    y = LayerSession(weight, bias, per_channel=True, reduce_range=True)(x)
    codes, scales = quantized_weight(weight, per_channel=True, reduce_range=True)
    low, high = min(0.0, float(x.min())), max(0.0, float(x.max()))
    scale = np.float32((high - low) / 255)
    zero = np.rint(np.clip(-low / scale, 0, 255))
    x_codes = np.clip(np.rint(x.numpy() / scale) + zero, 0, 255).astype(np.int64)
    want = (x_codes - int(zero)) @ codes.astype(np.int64) * (scale * scales).astype(np.float64)
    want = want if bias is None else want + bias.numpy()
    np.testing.assert_allclose(y.numpy(), want, rtol=1e-5, atol=1e-5)
    assert y.shape == (1, rows, outer) and (y[..., 2] == (0 if bias is None else bias[2])).all()


@needs("bitsandbytes")
@pytest.mark.parametrize(("scheme", "error"), [("int8", 0.02), ("nf4", 0.15)])
def test_bitsandbytes_layers_stand_for_those_of_torch(scheme, error):
    """On a CPU, for which bitsandbytes has kernels, too: what the method builds, without the device that it asks for."""
    torch.manual_seed(0)
    linear, x = torch.nn.Linear(64, 32), torch.randn(3, 5, 64)
    with torch.no_grad():
        ours, theirs = BitsAndBytes(BitsAndBytes.Params(scheme=scheme)).layer(linear)(x), linear(x)
    assert 0 < (ours - theirs).norm() / theirs.norm() < error


@needs("modelopt")
def test_modelopt_applies_what_it_prepared(monkeypatch):
    """On a CPU, where it rounds as it does on a GPU."""
    monkeypatch.setattr("effbench_baselines.modelopt.method.require_cuda", lambda *_: None)
    run = task()
    samples = run.samples("calibration")[:2]
    context = Context(calibration=lambda: samples, run=run.run)
    calibrated, fresh = system(), system()
    artifact = ModelOpt().prepare(calibrated, context)
    changed = ModelOpt().apply(fresh, artifact)
    ours, theirs, plain = (run.run(s, samples, 0)[0]["latent"] for s in (changed, calibrated, system()))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    assert 1e-4 < np.linalg.norm(ours - plain) / np.linalg.norm(plain) < 0.1


@needs("pruna")
def test_pruna_gives_a_pipeline_or_says_why_not():
    check_method(Pruna, task=task(), params=Pruna.Params(config={"torchao": {}}), n_samples=2)
    with pytest.raises(Unsupported, match=r"^pruna: its configuration names no algorithm"):
        Pruna().apply(system(), None)
    with pytest.raises(Unsupported, match=r"^pruna: refuses no-such-algorithm here "):
        Pruna(Pruna.Params(config={"no-such-algorithm": True})).apply(system(), None)
