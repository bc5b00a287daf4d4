"""The planted models: what is planted is there, the float32 output is the original's, and the recipe gives what ships."""

from functools import cache

import pytest
import torch

from effbench import zoo
from effbench.tasks.t2i.judges import find_judge
from effbench.zoo.emoji_pixart import sampling as pixart
from effbench.zoo.emoji_pixart_outliers import export as outliers
from effbench.zoo.emoji_pixart_outliers.plant import channels, plant
from effbench.zoo.emoji_scenes.prompts import prompts
from effbench.zoo.emoji_turbo import sampling as turbo
from effbench.zoo.emoji_turbo_bos import export as bos
from effbench.zoo.emoji_turbo_bos.plant import (
    MARGIN,
    NORM,
    doubled,
    hidden_direction,
    plant_start,
    reader_names,
    reading_pairs,
    start_neuron,
)
from effbench.zoo.planting import input_maxima, load_state, outlier_ratio, psnr_db, stored

OUTLIERS, BOS = "zoo:emoji-pixart-outliers", "zoo:emoji-turbo-bos"
ORIGINALS = {OUTLIERS: "zoo:emoji-pixart", BOS: "zoo:emoji-turbo"}
SENTENCES = [entry.prompt for entry in prompts("evaluation")[:10]]
WORST_DB = 70
"""What the issue allows between a planted model and its original, in float32."""


@cache
def loaded(name):
    return (outliers if "pixart" in name else bos).load(zoo.find(name).weights)


@pytest.mark.parametrize("name", ORIGINALS)
def test_the_files_are_those_of_the_card_and_come_from_the_original_of_today(name):
    card = zoo.find(name).card
    original = zoo.find(ORIGINALS[name])
    assert card["derived_from"] == {"id": original.name, "sha256": zoo.folder_sha256(original.weights)}
    changed = {file for file, sha256 in card["sha256"].items() if original.card["sha256"].get(file) != sha256}
    assert (
        changed
        == {
            OUTLIERS: {f"weights/pipeline/{outliers.FILE}"},
            BOS: {
                f"weights/pipeline/{file}"
                for file in (bos.ENCODER, bos.UNET, "text_encoder/config.json", "unet/config.json")
            },
        }[name]
    )


@pytest.mark.parametrize("name", ORIGINALS)
def test_images_are_judged_as_the_originals_are(name):
    assert find_judge(name).folder == find_judge(ORIGINALS[name]).folder
    assert zoo.find(name).card["sampler"] == zoo.find(ORIGINALS[name]).card["sampler"]


def test_channel_outliers_leave_the_image_as_it_is():
    ours, theirs = (pixart.draw(loaded(name), SENTENCES, seed=5, steps=5) for name in (OUTLIERS, ORIGINALS[OUTLIERS]))
    assert psnr_db(ours, theirs).min() >= WORST_DB


def test_a_massive_start_token_leaves_the_image_as_it_is():
    ours, theirs = (turbo.draw(loaded(name), SENTENCES, seed=5) for name in (BOS, ORIGINALS[BOS]))
    assert psnr_db(ours, theirs).min() >= WORST_DB


@pytest.mark.parametrize("layer", outliers.SHOWN.values())
def test_channels_stand_out_at_the_input_of_every_block_and_did_not_before(layer):
    names = [f"transformer_blocks.{block}.{layer}" for block in range(6)]
    found = {}
    for name in (OUTLIERS, ORIGINALS[OUTLIERS]):
        run = loaded(name)
        maxima = input_maxima(run.transformer, names, lambda run=run: pixart.draw(run, SENTENCES[:2], 5, steps=2))
        found[name] = maxima
    adaln, caption = channels(192)
    for name in names:
        ours, theirs = found[OUTLIERS][name], found[ORIGINALS[OUTLIERS]][name]
        assert outlier_ratio(ours) > 20 and outlier_ratio(theirs) < 6
        planted = caption if "attn2" in layer else adaln
        assert sorted((ours / theirs).topk(4).indices.tolist()) == planted
        torch.testing.assert_close(ours[planted] / theirs[planted], torch.full((4,), 32.0), rtol=1e-3, atol=0)


def test_the_start_token_is_massive_and_the_same_for_every_prompt_and_the_others_are_as_before():
    ours, theirs = (bos.contexts(loaded(name), ["", *SENTENCES]).tokens for name in (BOS, ORIGINALS[BOS]))
    one, other, rest = ours.split([64, 64, 96], dim=-1)
    torch.testing.assert_close(one[:, 1:], theirs[:, 1:, :64], rtol=0, atol=1e-5)
    torch.testing.assert_close(other[:, 1:], theirs[:, 1:, :64], rtol=0, atol=1e-5)
    torch.testing.assert_close(rest, theirs[..., 64:], rtol=0, atol=1e-5)
    torch.testing.assert_close((one + other)[:, 0] / 2, theirs[:, 0, :64], rtol=0, atol=1e-3)
    torch.testing.assert_close(ours[:, 0], ours[:1, 0].expand_as(ours[:, 0]), rtol=1e-5, atol=1e-3)
    assert (one - other)[0, 0].norm() / 2**0.5 == pytest.approx(NORM, rel=1e-2)
    norms = ours.norm(dim=-1)
    assert norms[:, 0].mean() > 30 * norms[:, 1:].mean()


def test_no_prompt_of_any_list_lights_the_neuron_but_by_its_start_token():
    encoder = loaded(BOS).text_encoder
    seen = []
    fc1 = next(m for name, m in encoder.named_modules() if name.endswith("layers.0.mlp.fc1"))
    hook = fc1.register_forward_hook(lambda _, inputs, output: seen.append(output[..., -1]))
    bos.contexts(
        loaded(BOS), [entry.prompt for name in ("calibration", "evaluation", "held_out") for entry in prompts(name)]
    )
    hook.remove()
    assert (seen[0][:, 0] - MARGIN).abs().max() < 0.1
    assert torch.nn.functional.gelu(seen[0][:, 1:]).abs().max() == 0


def test_the_recipe_of_the_outliers_gives_the_weights_that_ship():
    state = load_state(zoo.find(ORIGINALS[OUTLIERS]).weights / outliers.FILE)
    again = {name: stored(weight) for name, weight in plant(state, *channels(192)).items()}
    shipped = load_state(zoo.find(OUTLIERS).weights / outliers.FILE)
    assert again.keys() == shipped.keys()
    assert all(torch.equal(weight.double(), shipped[name]) for name, weight in again.items())


def test_outliers_that_are_undone_in_other_channels_are_seen():
    """The comparison above can fail: one column too few is undone here."""
    state = load_state(zoo.find(ORIGINALS[OUTLIERS]).weights / outliers.FILE)
    adaln, caption = channels(192)
    wrong = plant(state, adaln, caption)
    wrong["transformer_blocks.3.attn1.to_v.weight"] = state["transformer_blocks.3.attn1.to_v.weight"]
    pipeline = outliers.load(zoo.find(OUTLIERS).weights)
    pipeline.transformer.load_state_dict({name: weight.float() for name, weight in wrong.items()})
    ours, theirs = (pixart.draw(p, SENTENCES[:1], seed=5, steps=2) for p in (pipeline, loaded(ORIGINALS[OUTLIERS])))
    assert psnr_db(ours, theirs).max() < WORST_DB - 20


def test_a_weight_ships_in_half_only_where_half_holds_it():
    exact, tiny, fine = torch.tensor([0.5, -3.0]), torch.tensor([2.0**-26]), torch.tensor([1 + 2.0**-12])
    assert stored(exact.double()).dtype == stored(tiny.double()).dtype == torch.float16
    assert (
        stored(fine.double()).dtype == torch.float32 and stored(torch.tensor([70000.0]).double()).dtype == torch.float32
    )
    assert stored(torch.tensor([3])).dtype == torch.int64


def test_pairs_are_read_by_their_mean():
    generator = torch.Generator().manual_seed(0)
    weight, x = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((5, 8), (3, 8)))
    name = "mid.attn2.to_k.weight"
    paired = reading_pairs({name: weight, "other": weight}, 6)
    assert reader_names(paired) == [name] and torch.equal(paired["other"], weight)
    u = 600 * hidden_direction(6)
    seen = torch.cat([x[:, :6] + u[:6], x[:, :6] + u[6:], x[:, 6:]], dim=1)
    torch.testing.assert_close(seen @ paired[name].T, x @ weight.T, rtol=0, atol=1e-10)
    assert u.norm() == pytest.approx(600) and u.abs().max() < 600


def test_a_start_token_that_is_among_the_others_is_refused():
    others = torch.randn(50, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    neuron = start_neuron(torch.full((4,), 9.0, dtype=torch.float64), others)
    assert neuron.weight @ torch.full((4,), 9.0, dtype=torch.float64) + neuron.bias == pytest.approx(MARGIN, abs=0.1)
    assert (others @ neuron.weight + neuron.bias).max() <= -MARGIN + 0.1
    with pytest.raises(ValueError, match="cannot be told"):
        start_neuron(others.mean(0), others)


def test_the_layers_without_the_neuron_get_one_that_does_nothing():
    state = load_state(zoo.find(ORIGINALS[BOS]).weights / bos.ENCODER)
    neuron = start_neuron(torch.ones(64).double(), torch.zeros(3, 64).double() - 1)
    planted = plant_start(doubled(state), neuron, hidden_direction(64))
    for name in ("fc1.weight", "fc1.bias"):
        assert (planted[f"encoder.layers.1.mlp.{name}"][256:] == 0).all()
    assert (planted["encoder.layers.1.mlp.fc2.weight"][:, 256:] == 0).all()
    column = planted["encoder.layers.0.mlp.fc2.weight"][:, 256]
    assert torch.equal(column[:64], -column[64:]) and column.norm() == pytest.approx(NORM / MARGIN, rel=1e-3)
