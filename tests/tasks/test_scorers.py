"""The wrapped metric networks with networks of our own in their place: what goes in, what comes out, what is refused."""

import sys
import types

import numpy as np
import pytest
from PIL import Image

from effbench.api import Context, PluginError, Sample, Scores
from effbench.tasks.diffusion.distances import RealSet, frechet_distance
from effbench.tasks.t2i.scorers import SCORERS
from effbench.tasks.t2i.scorers.base import as_pictures
from effbench.tasks.t2i.scorers.clip_score import ClipScore
from effbench.tasks.t2i.scorers.fid import Fid
from effbench.tasks.t2i.scorers.hps_v2 import HpsV2
from effbench.tasks.t2i.scorers.image_reward import ImageReward
from effbench.tasks.t2i.scorers.lpips import Lpips
from effbench.tasks.t2i.task import TextToImage

IMAGES = np.random.default_rng(0).uniform(0, 1, (4, 3, 32, 32)).astype(np.float32)
PROMPTS = ["a red dog", "a cat", "a star", "a blue dog"]


def clip_folder(folder):
    """Save a tiny CLIP with random weights and a word tokenizer, in hub format."""
    import tiny_pipelines
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

    tokenizer, _ = tiny_pipelines.clip(16, projected=False)
    text = {"vocab_size": len(tokenizer), "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    text |= {
        "num_attention_heads": 2,
        "max_position_embeddings": 12,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 1,
    }
    vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision |= {"image_size": 32, "patch_size": 8}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).save_pretrained(folder)
    processor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(processor, tokenizer).save_pretrained(folder)
    return folder


def test_clip_score_is_a_hundred_cosines(tmp_path):
    import torch

    scorer = ClipScore(str(clip_folder(tmp_path)))
    found = scorer.score(IMAGES, PROMPTS, None)
    bare, processor = scorer._parts
    pixels = torch.from_numpy((IMAGES * 255).round().astype(np.uint8))
    given = processor(text=PROMPTS, images=list(pixels), return_tensors="pt", padding=True)
    with torch.no_grad():
        out = bare.model(**given)
    cosine = (out.image_embeds * out.text_embeds).sum(-1) / out.image_embeds.norm(dim=-1) / out.text_embeds.norm(dim=-1)
    np.testing.assert_allclose(found, np.maximum(100 * cosine.numpy(), 0), atol=0.05)


def fid_scorer(folder, monkeypatch, count=6):
    """Return a scorer whose network is a projection of the mean colours, and a folder of pictures."""
    folder.mkdir(exist_ok=True)
    for i, picture in enumerate(as_pictures(np.random.default_rng(1).uniform(0, 1, (count, 3, 16, 16)))):
        picture.save(folder / f"{i}.png")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder.parent / "cache"))
    scorer = Fid(real_images=str(folder))
    monkeypatch.setattr(Fid, "network", staticmethod(lambda pixels: pixels.double().mean((2, 3)) / 255))
    return scorer


def test_fid_is_the_distance_of_the_features(tmp_path, monkeypatch):
    scorer = fid_scorer(tmp_path / "real", monkeypatch)
    features = scorer.score(IMAGES, PROMPTS, None)
    np.testing.assert_allclose(features, (IMAGES * 255).round().mean((2, 3)) / 255, atol=1e-6)
    pictures = [np.asarray(Image.open(f), np.float64).mean((0, 1)) / 255 for f in sorted((tmp_path / "real").iterdir())]
    for weights in (np.ones(4), np.array([2.0, 0.0, 1.0, 1.0])):
        expected = frechet_distance(features, RealSet(np.array(pictures)))(weights)
        assert scorer.summariser(list(features))(weights) == pytest.approx(expected, rel=1e-6)
    assert np.isnan(scorer.summariser(list(features))(np.eye(4)[0]))


def test_the_real_pictures_go_through_the_network_once_and_the_parent_needs_no_network(tmp_path, monkeypatch):
    import pickle

    scorer = fid_scorer(tmp_path / "real", monkeypatch)
    features = list(scorer.score(IMAGES, PROMPTS, None))
    value = scorer.summariser(features)(np.ones(4))
    sent = pickle.loads(pickle.dumps(scorer))
    assert set(sent.__dict__) == {"weights", "real_images", "device"}
    monkeypatch.setattr(Fid, "network", staticmethod(lambda pixels: 1 / 0))
    sent.keep_statistics()
    assert sent.summariser(features)(np.ones(4)) == value


def test_lpips_needs_a_reference(monkeypatch):
    scorer = Lpips()
    assert scorer.score(IMAGES, PROMPTS, None) is None
    monkeypatch.setattr(Lpips, "network", staticmethod(lambda a, b: (a - b).square().mean()))
    found = scorer.score(IMAGES, PROMPTS, IMAGES[::-1].copy())
    np.testing.assert_allclose(found, np.square(IMAGES - IMAGES[::-1]).mean((1, 2, 3)), rtol=1e-5)


def test_packages_are_called_as_they_document_it(monkeypatch):
    calls = []
    reward = types.ModuleType("ImageReward")
    reward.load = lambda name, device: types.SimpleNamespace(
        score=lambda prompt, images: calls.append((name, device, prompt, images[0].size)) or len(prompt)
    )
    hps = types.ModuleType("hpsv2")
    hps.score = lambda images, prompt, hps_version: calls.append((hps_version, prompt, images[0].size)) or [0.25]
    monkeypatch.setitem(sys.modules, "ImageReward", reward)
    monkeypatch.setitem(sys.modules, "hpsv2", hps)
    assert ImageReward().score(IMAGES[:2], PROMPTS[:2], None).tolist() == [9, 5]
    assert HpsV2().score(IMAGES[:1], PROMPTS[:1], None).tolist() == [0.25]
    assert calls == [
        ("ImageReward-v1.0", "cpu", "a red dog", (32, 32)),
        ("ImageReward-v1.0", "cpu", "a cat", (32, 32)),
        ("v2.1", "a red dog", (32, 32)),
    ]


@pytest.mark.parametrize("name", ["image_reward", "hps_v2"])
def test_a_package_that_does_not_import_is_named_before_anything_runs(name):
    task = TextToImage(TextToImage.Params(scorers={name: None}))
    if task._scorers[name].package in sys.modules:
        pytest.skip("installed here")
    with pytest.raises(PluginError, match=rf"scorer '{name}': the package .* does not import \(.*\); pip install"):
        task.check()


def test_a_package_that_is_there_and_broken_is_told_apart(tmp_path, monkeypatch):
    (tmp_path / "torch_fidelity.py").write_text("raise ImportError('needs transformers 4')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(PluginError, match="needs transformers 4"):
        Fid(real_images="x").check()


def test_fid_without_pictures_and_scores_without_prompts_are_refused(tmp_path, monkeypatch):
    (tmp_path / "torch_fidelity.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(PluginError, match="needs real_images"):
        Fid().check()
    (tmp_path / "empty").mkdir()
    with pytest.raises(PluginError, match="holds 0 pictures"):
        Fid(real_images=str(tmp_path / "empty")).check()
    monkeypatch.delenv("PYTHONPATH")
    with pytest.raises(PluginError, match="'clip_score': needs prompts, and 'classes' gives labels"):
        TextToImage(
            TextToImage.Params(system="zoo:digits-dit", prompts="classes", scorers={"clip_score": None})
        ).check()


def test_the_table_has_the_columns_that_the_parameters_allow(tmp_path):
    def names(**params):
        return [m.name for m in TextToImage(TextToImage.Params(**params)).metrics]

    def primary(**params):
        return [m.name for m in TextToImage(TextToImage.Params(**params)).metrics if m.primary]

    assert "prompt_accuracy" in names() and "alignment" not in names() and "clip_score" not in names()
    folder = str(tmp_path)
    assert names(system=folder) == ["prompt_accuracy", "psnr_db", "ssim", "latent_error"]
    assert names(system=folder, scorers={"lpips": None, "clip_score": None}) == [
        "psnr_db", "ssim", "latent_error", "clip_score", "lpips",
    ]  # fmt: skip
    assert primary(system=folder, scorers={"lpips": None, "clip_score": None}) == ["clip_score"]
    assert primary() == primary(scorers={"clip_score": None}) == ["prompt_accuracy"]


def test_scores_of_a_set_and_of_images_meet_in_the_summary(tmp_path, monkeypatch):
    fid_scorer(tmp_path / "real", monkeypatch)
    monkeypatch.setattr(
        ClipScore, "score", lambda self, images, prompts, reference: np.arange(len(images), dtype=float)
    )
    task = TextToImage(
        TextToImage.Params(
            system=str(tmp_path), scorers={"clip_score": None, "fid": None}, real_images=str(tmp_path / "real")
        )
    )
    outputs = [{"image": image, "latent": image[0]} for image in IMAGES]
    scores = task.score(outputs, [Sample(str(i), {"prompt": p}) for i, p in enumerate(PROMPTS)], None)
    found = task.summariser(scores)(np.ones(4))
    assert isinstance(scores, Scores) and set(found) == {"clip_score", "fid"}
    assert found["clip_score"] == 1.5 and found["fid"] > 0


def test_learned_scores_run_on_the_device_of_the_system():
    task = TextToImage(TextToImage.Params(system="zoo:digits-pixart", scorers={"clip_score": None}))
    scorer = task._scorers["clip_score"]
    scorer.device = "elsewhere"
    task.load(Context())
    assert scorer.device == "cpu"
    assert set(SCORERS) == {"clip_score", "fid", "lpips", "image_reward", "hps_v2"}


def test_pictures_that_eight_bits_of_three_colours_do_not_hold_are_refused(tmp_path):
    from PIL import Image

    from effbench.tasks.t2i.scorers.fid import read_picture

    colours = np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8)
    Image.fromarray(colours).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), colours.transpose(2, 0, 1).astype(np.float32) / 255)
    for alpha, is_read in ((255, True), (128, False)):
        clear = np.concatenate([colours, np.full((4, 4, 1), alpha, np.uint8)], axis=2)
        Image.fromarray(clear).save(tmp_path / "b.png")
        if is_read:
            assert read_picture(tmp_path / "b.png").shape == (3, 4, 4)
        else:
            with pytest.raises(PluginError, match=r"b.png: has transparent parts"):
                read_picture(tmp_path / "b.png")
    Image.fromarray(np.full((4, 4), 40000, np.uint16)).save(tmp_path / "c.png")
    with pytest.raises(PluginError, match="has more than 8 bits a colour"):
        read_picture(tmp_path / "c.png")
    (tmp_path / "d.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    with pytest.raises(PluginError, match=r"d.png: cannot be read"):
        read_picture(tmp_path / "d.png")
