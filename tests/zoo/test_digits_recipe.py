"""The shared parts of the recipes still make what zoo:digits-pixart shipped."""

import json

from effbench import zoo
from effbench.zoo.digits_pixart.models import train_tokenizer
from effbench.zoo.digits_pixart.train import build_denoiser
from effbench.zoo.flow import sampler

WEIGHTS = zoo.find("zoo:digits-pixart").weights


def test_the_tokenizer_is_the_shipped_one(tmp_path):
    train_tokenizer().save_pretrained(tmp_path)
    made, shipped = (
        json.loads((folder / "tokenizer.json").read_text()) for folder in (tmp_path, WEIGHTS / "tokenizer")
    )
    assert made["model"] == shipped["model"]


def test_the_sampler_is_the_shipped_one():
    shipped = json.loads((WEIGHTS / "scheduler" / "scheduler_config.json").read_text())
    made = {name: value for name, value in sampler().config.items() if not name.startswith("_")}
    assert made == {name: shipped[name] for name in made} | {"lambda_min_clipped": -float("inf")}


def test_the_networks_take_the_shipped_weights():
    from safetensors.torch import load_file

    denoiser = build_denoiser()
    weights = load_file(WEIGHTS / "transformer" / "diffusion_pytorch_model.safetensors")
    assert not denoiser.transformer.load_state_dict(weights, strict=False).unexpected_keys
