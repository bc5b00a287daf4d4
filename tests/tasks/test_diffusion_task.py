"""What the tasks of images and videos promise: metrics that can be given, pictures that can be shown, probes that differ."""

import numpy as np
import pytest

from effbench.api import Context, Scores, select
from effbench.contract.outputs import output_problems
from effbench.contract.scores import score_problems, summary_problems
from effbench.tasks.diffusion.prompts import LISTS, keys_of, load_prompts
from effbench.tasks.diffusion.task import eight_bits
from effbench.tasks.t2i.task import TextToImage
from effbench.tasks.t2v.task import TextToVideo

SHAPES = {
    "zoo:digits-pixart": (1, 32, 32),
    "zoo:digits-dit": (1, 32, 32),
    "zoo:emoji-pixart": (3, 64, 64),
    "zoo:moving-emoji-latte": (8, 3, 32, 32),
    "folder": (3, 32, 32),
}
CASES = [
    (TextToImage, "zoo:digits-pixart", "digits"),
    (TextToImage, "zoo:digits-pixart", "own"),
    (TextToImage, "zoo:digits-dit", "digits"),
    (TextToImage, "zoo:digits-dit", "classes"),
    (TextToImage, "zoo:emoji-pixart", "emoji"),
    (TextToImage, "zoo:emoji-pixart", "emoji-held-out"),
    (TextToImage, "zoo:emoji-pixart", "digits"),
    (TextToImage, "zoo:emoji-pixart", "own"),
    (TextToImage, "folder", "own"),
    (TextToVideo, "zoo:moving-emoji-latte", "moving-emoji"),
    (TextToVideo, "zoo:moving-emoji-latte", "moving-emoji-held-out"),
    (TextToVideo, "zoo:moving-emoji-latte", "own"),
    (TextToVideo, "zoo:moving-emoji-latte", "emoji"),
    (TextToVideo, "folder", "own"),
]


def made(of_class, system, prompts, folder):
    file = folder / "own.txt"
    file.write_text("".join(f"a {word}\n" for word in ("five", "dog", "star", "hat", "red apple", "moving cat", "cup")))
    where = str(folder) if system == "folder" else system
    return of_class(of_class.Params(system=where, prompts=str(file) if prompts == "own" else prompts))


def outputs_of(task, shape, count, seed=0):
    rng = np.random.default_rng(seed)
    return [
        {task.output: rng.random(shape, np.float32), "latent": rng.standard_normal((4, 8, 8), np.float32)}
        for _ in range(count)
    ]


@pytest.mark.parametrize(("of_class", "system", "prompts"), CASES)
def test_a_task_declares_exactly_the_metrics_that_its_parameters_allow(of_class, system, prompts, tmp_path):
    """A metric that is named and never given selects nothing; one that is given and not named is lost."""
    task = made(of_class, system, prompts, tmp_path)
    shape = (5, *SHAPES[system]) if (of_class, system) == (TextToVideo, "folder") else SHAPES[system]
    batch = task.samples("evaluation")[:4]
    outputs, reference = (outputs_of(task, shape, len(batch), seed) for seed in (0, 1))
    for theirs in (reference, None):
        scores = task.score(outputs, batch, theirs)
        assert not list(score_problems(task.metrics, scores, batch, with_reference=theirs is not None))
        assert set(scores.scalars) == {metric.name for metric in task.metrics if metric.per == "sample"}
        summary = task.summariser(scores)(np.ones(len(batch)))
        assert not list(summary_problems(task.metrics, summary, with_reference=theirs is not None))
        given = {metric.key for metric in task.metrics if not metric.undefined}
        assert set(summary) == {m.key for m in task.metrics if m.key in given and (theirs or not m.needs_reference)}
    assert [metric.primary for metric in task.metrics].count(True) == 1


@pytest.mark.parametrize("name", LISTS)
def test_a_list_brings_what_it_is_said_to_bring_and_its_truths_are_targets(name):
    sample = load_prompts(name, "evaluation")[0]
    assert keys_of(name) == {*sample.data, *(sample.target or {})}
    assert set(sample.data) <= {"prompt", "label"}  # all that a pipeline is given


@pytest.mark.parametrize(
    ("of_class", "prompts"), [(TextToImage, "98bd5330e80c72e8"), (TextToVideo, "f8bec105dde81d84")]
)
def test_truths_pin_the_prompts_as_they_did_when_they_were_data(of_class, prompts):
    """A record's identity rests on this hash: stores of before must still be found."""
    assert f"+prompts:{prompts}+" in of_class().revision()


def test_validation_is_refused_since_nothing_is_frozen():
    from effbench.api import PluginError

    with pytest.raises(PluginError, match="t2i freezes nothing on scores"):
        TextToImage().samples("validation")


@pytest.mark.parametrize(
    ("of_class", "shape", "pixels"),
    [
        (TextToImage, (1, 32, 40), (32, 40, 3)),
        (TextToImage, (3, 8, 8), (8, 8, 3)),
        (TextToVideo, (5, 3, 8, 8), (5, 8, 8, 3)),
    ],
)
def test_a_preview_is_the_output_in_eight_bits(of_class, shape, pixels):
    task = of_class()
    (output,) = outputs_of(task, shape, 1)
    (picture,) = task.preview(task.samples("evaluation")[0], output)
    assert picture.name == task.output and picture.pixels.shape == pixels and picture.pixels.dtype == np.uint8
    channel = np.moveaxis(output[task.output], -3, -1)
    np.testing.assert_allclose(picture.pixels / 255, np.broadcast_to(channel, pixels), atol=0.5 / 255 + 1e-6)


def test_eight_bits_clip_and_call_no_number_black():
    given = np.array([-1.0, 0.0, 1.0, 7.0, np.nan, np.inf], np.float32).reshape(1, 1, 6)
    assert eight_bits(given)[0, :, 0].tolist() == [0, 0, 255, 255, 0, 255]


def test_probes_are_calls_on_prompts_that_differ_and_what_is_kept_can_be_a_reference():
    task = TextToImage(TextToImage.Params(steps=1))
    system = task.load(Context())
    probes = task.probes(system, 2)
    assert len(probes) == 4
    images = [[output["image"] for output in probe()] for probe in probes[:2]]
    assert all(len(batch) == 2 for batch in images) and not np.array_equal(images[0], images[1])
    batch = task.samples("evaluation")[:2]
    outputs = task.run(system, batch, 0)
    kept = [task.keep(output) for output in outputs]
    assert not list(output_problems(kept, batch, "keep"))
    assert (task.score(outputs, batch, kept).scalars["psnr_db"] == 100).all()


@pytest.mark.parametrize("system", ["zoo:digits-pixart", "zoo:emoji-pixart"])
def test_a_summary_by_weights_is_the_summary_of_the_repeated_samples(system, tmp_path):
    """The summariser shares work between resamples: a weight of k must be the same as k equal samples, for every metric."""
    task = made(TextToImage, system, "digits" if "digits" in system else "emoji", tmp_path)
    batch, count = task.samples("evaluation")[:12], 12
    outputs = outputs_of(task, SHAPES[system], count)
    scores = task.score(outputs, batch, outputs_of(task, SHAPES[system], count, 1))
    summarise, rng = task.summariser(scores), np.random.default_rng(2)
    for _ in range(20):
        weights = rng.multinomial(count, np.full(count, 1 / count)).astype(float)
        rows = np.flatnonzero(weights)
        found, alone = summarise(weights), task.summariser(select(scores, rows))(weights[rows])
        assert found.keys() == alone.keys() == {metric.key for metric in task.metrics}
        for name, value in found.items():
            assert value == pytest.approx(alone[name], rel=1e-9, abs=1e-9), name
            assert summarise(weights * 7)[name] == pytest.approx(value, rel=1e-9, abs=1e-9), name


def test_a_summariser_does_not_look_at_real_images_again(tmp_path, monkeypatch):
    task = made(TextToImage, "zoo:digits-pixart", "digits", tmp_path)
    scores = task.score(outputs_of(task, (1, 32, 32), 6), task.samples("evaluation")[:6], None)
    summarise = task.summariser(scores)
    first = summarise(np.ones(6))
    from effbench.tasks.diffusion import distances

    monkeypatch.setattr(distances, "polynomial_kernel", None)
    assert summarise(np.ones(6)) == first
    assert isinstance(scores, Scores)
