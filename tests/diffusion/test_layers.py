"""The layers that methods change: named, in order, and without those that stay in float."""

import diffusion_systems as systems
import pytest
import torch

from effbench.api import PluginError
from effbench.diffusion.layers import FLOAT_LAYERS, float_layers_of, is_in

OPTIONAL = {"ofs_embedding.*"}
"""Parts that only some models of a class have (CogVideoX 1.5 from images)."""


@pytest.mark.parametrize("name", systems.NAMES)
def test_every_architecture_says_what_stays_in_float_and_means_layers_that_it_has(name):
    _, system = systems.loaded(name)
    layers = [
        n
        for n, m in system.denoiser.named_modules()
        if isinstance(m, torch.nn.Linear | torch.nn.Conv2d | torch.nn.Conv3d)
    ]
    for glob in set(system.float_layers) - OPTIONAL:
        assert any(is_in(layer, (glob,)) for layer in layers), glob
    assert system.float_layers == float_layers_of(system.denoiser)


@pytest.mark.parametrize("name", systems.NAMES)
def test_what_may_be_quantized_is_inside_blocks_and_all_of_their_attention_and_feed_forward(name):
    _, system = systems.loaded(name)
    names = [n for n, _ in system.linear_layers()]
    assert names and all("block" in n for n in names)
    assert not any(system.is_kept_in_float(n) for n in names)
    everything = [n for n, m in system.denoiser.named_modules() if isinstance(m, torch.nn.Linear)]
    assert [n for n in everything if ".attn" in n or ".ff." in n or ".ffn." in n] == [
        n for n in names if ".attn" in n or ".ff." in n or ".ffn." in n
    ]
    assert not any("norm" in n for n in names)  # modulation
    convolutions = [n for n, _ in system.convolutions()]
    assert bool(convolutions) == (name == "StableDiffusionXLPipeline")
    assert not {"conv_in", "conv_out"} & set(convolutions)


@pytest.mark.parametrize("name", systems.NAMES)
def test_attention_layers_say_what_they_attend_to(name):
    """Cross-attention alone is given the text; in a joint one text and video go through the same projections."""
    task, system = systems.loaded(name)
    layers, seen = system.attention_layers(), {}
    hooks = [
        layer.module.register_forward_pre_hook(
            lambda _, args, kwargs, layer=layer: seen.update(
                {layer.name: kwargs.get("encoder_hidden_states", args[1] if len(args) > 1 else None) is not None}
            ),
            with_kwargs=True,
        )
        for layer in layers
    ]
    try:
        task.run(system, systems.samples(name)[:1], 0)
    finally:
        for hook in hooks:
            hook.remove()
    assert seen == {layer.name: layer.kind != "self" for layer in layers}
    kinds = {layer.kind for layer in layers}
    only = {"DiTPipeline": {"self"}, "CogVideoXPipeline": {"joint"}}
    assert kinds == only.get(name, {"self", "cross"})


def test_every_architecture_of_the_denoiser_task_is_known():
    from effbench.api import Context
    from effbench.tasks.denoiser.architectures import ARCHITECTURES
    from effbench.tasks.denoiser.task import Denoiser

    for name in ARCHITECTURES:
        task = Denoiser(Denoiser.Params(architecture=name, blocks=1, tokens=256))
        system = task.load(Context())
        assert type(system.denoiser).__name__ in FLOAT_LAYERS and system.linear_layers()


def test_a_denoiser_of_another_class_is_refused_by_name():
    with pytest.raises(PluginError, match="Linear is no denoiser that is known here; known: PixArtTransformer2DModel"):
        float_layers_of(torch.nn.Linear(1, 1))
