"""The file of a subset: round trip, tampering, and the commands that build, check, apply, import and export it."""

import json

import numpy as np
import pytest
from planted import noisy
from typer.testing import CliRunner

from effbench.cli.subset import app
from effbench.errors import BadInput
from effbench.subset.building import apply, build, why_expired
from effbench.subset.frequency import FrequencySearch
from effbench.subset.importing import export_subset, import_release
from effbench.subset.manifest import content_sha256, find_subset, make_manifest, read_manifest, write_manifest
from effbench.subset.release import read_release_scores, read_released_subsets
from effbench.subset.soft import SoftTau
from effbench.subset.weighted import STRENGTHS, Weighted


@pytest.fixture(scope="module")
def built():
    pool = noisy(16, 60, noise=2.0, families=3)
    return pool, build([pool], SoftTau(), 8, 0, "planted-8", seconds=3.0, searches=20)


def test_it_comes_back_as_it_was_and_says_what_it_is_worth(built, tmp_path):
    _, manifest = built
    write_manifest(tmp_path / "s.yaml", manifest)
    again = read_manifest(tmp_path / "s.yaml")
    assert again == manifest and again.reference == f"planted-8@{manifest.sha256[:8]}"
    assert {held.split for held in again.certificate} == {"leave-few-out", "leave-one-family-out"}
    assert again.certificate[0].minutes_saved == 2.6
    assert "held-out tau" in again.certificate[0].sentence and "random of equal size" in again.certificate[0].sentence
    assert find_subset(str(tmp_path / "s.yaml")) == manifest


def test_weights_have_mean_one_and_survive_printing(tmp_path):
    manifest = make_manifest("w", ["a", "b", "c"], [1 / 3, 1 / 6, 1 / 2], metrics=["m"])
    write_manifest(tmp_path / "w.yaml", manifest)
    assert sum(read_manifest(tmp_path / "w.yaml").weight_of().values()) == pytest.approx(3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("- b", "- a"), "sample 'a' stands twice"),
        (("- b", "- x"), "it was edited"),
        (("metrics:", "metrics_:"), "metrics"),
        (("ids:\n- a\n- b", "ids: []"), "ids"),
        (("name: w", "name: [w"), "malformed YAML"),
        (("name: w", "name: w\nname: v"), "name"),
    ],
)
def test_a_damaged_file_is_one_sentence(tmp_path, change, said):
    path = tmp_path / "w.yaml"
    write_manifest(path, make_manifest("w", ["a", "b"], metrics=["m"]))
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change))
    with pytest.raises(BadInput, match=said) as refused:
        read_manifest(path)
    assert str(path) in str(refused.value) and "\n" not in str(refused.value)


OLD = """\ufeffschema: effbench/subset/1
name: theirs
metrics: [score]
ids: [a, '001']
sha256: SHA
certificate:
- {metric: score, split: random-half, folds: 5, tau: 0.8, ci_low: 0.7, ci_high: 0.9, searched_tau: 0.95, random_tau: 0.6,
   random_size: 88.7, regret: 0.067, worst_tau: 0.75, minutes_saved: 0.2, resolution: 0.0163}
"""


def test_a_manifest_of_the_first_schema_is_read_as_it_is(tmp_path):
    """Third parties have files of ``effbench/subset/1``; this one has a byte order mark and an id 001, too."""
    path = tmp_path / "old.yaml"
    path.write_text(OLD.replace("SHA", content_sha256(["a", "001"], None)), "utf-8")
    manifest = read_manifest(path)
    assert manifest.ids == ["a", "001"] and manifest.resolutions == {"score": 0.0163}
    assert manifest.certificate[0].sentence.startswith("score, random-half: held-out tau 0.800 [0.700, 0.900]")
    assert manifest.more_methods == []
    path.write_text(path.read_text("utf-8").replace("tau: 0.8,", "tau: .nan,"), "utf-8")
    with pytest.raises(BadInput, match=r"certificate\.0\.tau"):
        read_manifest(path)


def test_a_missing_subset_is_named():
    with pytest.raises(BadInput, match="no subset 'nothing'"):
        find_subset("nothing")
    with pytest.raises(BadInput, match="cannot read the subset"):
        find_subset("nowhere/x.yaml")


def test_a_certificate_holds_for_its_own_pool_only(built):
    pool, manifest = built
    assert why_expired(manifest, pool) is None
    fewer = pool.of_methods(range(12))
    assert why_expired(manifest, fewer) == "4 methods are gone (first 'm12')"
    more = noisy(20, 60, noise=2.0)
    assert why_expired(manifest, more) == "4 methods are new (first 'm16')"
    assert why_expired(make_manifest("x", ["s0"], metrics=["m"]), pool) == "it has no certificate"
    applied = apply(manifest, more)
    assert sum(applied.is_new) == 4 and applied.new_tau is not None
    with pytest.raises(BadInput, match="samples are not among the 60 that were scored, first 'zz'"):
        apply(make_manifest("x", ["zz"], metrics=["m"]), pool)


def test_lists_for_other_tools(built, tmp_path):
    manifest = make_manifest("w", ["a", "b"], [0.25, 0.75], metrics=["m"])
    for ending, text in ((".txt", "a\nb\n"), (".csv", "id,weight\na,0.5\nb,1.5\n")):
        export_subset(manifest, tmp_path / f"w{ending}")
        assert (tmp_path / f"w{ending}").read_text() == text
    export_subset(manifest, tmp_path / "w.json")
    assert json.loads((tmp_path / "w.json").read_text().splitlines()[1]) == {"id": "b", "weight": 1.5}
    with pytest.raises(BadInput, match=r"valid: \.json, \.csv, \.txt"):
        export_subset(manifest, tmp_path / "w.xlsx")
    with pytest.raises(BadInput, match="cannot hold the id"):
        export_subset(make_manifest("w", ["a\nb"], metrics=["m"]), tmp_path / "w.txt")


@pytest.fixture
def release(tmp_path):
    """FlashEval's layout with two metrics, whose subsets have each other's label, and one line twice."""
    rng = np.random.default_rng(0)
    settings, captions = [f"model{i % 2}/DDIM{i}step-fp" for i in range(12)], [str(17 * i) for i in range(80)]
    telling = {"CLIP": range(10), "Aesthetic": range(40, 50)}
    for metric, rows in telling.items():
        noise = np.full(80, 8.0)
        noise[list(rows)] = 0.05
        errors = rng.normal(size=(12, 80)) * noise
        values = rng.normal(size=(12, 1)) + errors - errors.mean(1, keepdims=True)
        for setting, scores in zip(settings, values):
            model, name = setting.split("/")
            file = tmp_path / "scores" / metric / model / f"{metric}-{name}-score.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(dict(zip(captions, scores))))
    for label, true in (("CLIP", "Aesthetic"), ("Aesthetic", "CLIP")):
        lines = [json.dumps({"id": 17 * row, "caption": f"caption {row}"}) for row in telling[true]]
        folder = tmp_path / "subsets" / "COCO" / "10item-result"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"COCO_{label}_searched_subset_10prompts.json").write_text("\n".join([*lines[:9], lines[0]]) + "\n")
    return tmp_path


def test_swapped_labels_of_a_release_are_found_and_put_right(release):
    told = list(import_release(release / "subsets", release / "scores", release / "out"))
    assert len(told) == 2 and all(
        "wrong" in line and "9 distinct samples (1 of 10 lines repeat one)" in line for line in told
    )
    clip = read_manifest(release / "out" / "coco-clip-10.yaml")
    assert clip.metrics == ["CLIP"] and clip.ids[0] == "0" and len(clip.ids) == 9
    unchecked = list(import_release(release / "subsets", None, release / "unchecked"))
    assert all("not checked" in line for line in unchecked)


def scores_of(release, metric, setting="model0/DDIM0step-fp"):
    model, name = setting.split("/")
    return release / "scores" / metric / model / f"{metric}-{name}-score.json"


def test_files_that_are_not_whole_are_named_and_cost_their_own_metric_a_setting(release):
    whole = read_release_scores(release / "scores")
    assert whole.notes == () and [len(matrix.methods) for matrix in whole.matrices] == [12, 12]
    cut = scores_of(release, "CLIP")
    cut.write_text(json.dumps(dict(list(json.loads(cut.read_text()).items())[:5])))
    foreign = scores_of(release, "Aesthetic", "model1/DDIM1step-fp")
    foreign.write_text(json.dumps({**json.loads(foreign.read_text()), "999999": 1.0, "abc": 2.0}))
    scores_of(release, "CLIP", "model1/DDIM3step-fp").unlink()
    empty = scores_of(release, "Aesthetic", "model0/DDIM2step-fp")
    empty.write_text("{}")
    found = read_release_scores(release / "scores")
    assert {matrix.metric: len(matrix.methods) for matrix in found.matrices} == {"CLIP": 10, "Aesthetic": 11}
    assert all(matrix.samples == whole.matrices[0].samples for matrix in found.matrices)
    assert sorted(found.notes) == sorted(
        [
            f"{foreign}: 2 ids that most files do not have (first '999999'), read without them",
            f"{empty}: no score of 80 of 80 captions (first '0'), left out",
            "CLIP: no file of model1/DDIM3step-fp",
            f"{cut}: no score of 75 of 80 captions (first '85'), left out",
        ]
    )
    told = list(import_release(release / "subsets", release / "scores", release / "out"))
    assert told[:4] == list(found.notes) and len(told) == 6 and all("wrong" in line for line in told[4:])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[1]", "not a mapping from caption id to score"),
        (b'{"0": true}', "not a mapping"),
        (b'{"0": 1, "17": 2, "0": 3}', "'0' stands twice"),
        (b'{"0": "\xff"}', "not UTF-8"),
        (b'{"0": 1', "cannot be read as JSON"),
        (b"[" * 100_000, "cannot be read as JSON"),
    ],
)
def test_a_file_of_scores_is_read_as_it_is_or_refused(release, content, said):
    scores_of(release, "CLIP").write_bytes(content)
    with pytest.raises(BadInput, match=said) as refused:
        read_release_scores(release / "scores")
    assert str(scores_of(release, "CLIP")) in str(refused.value)
    with pytest.raises(BadInput, match="is it FlashEval's Image_score"):
        read_release_scores(release / "nothing")


def test_a_byte_order_mark_and_ids_with_zeros_in_front_are_kept_as_they_are(release):
    for file in (release / "scores").rglob("*.json"):
        data = {f"{int(key):06}": value for key, value in json.loads(file.read_text()).items()}
        file.write_bytes(b"\xef\xbb\xbf" + json.dumps(data).encode())
    assert read_release_scores(release / "scores").matrices[0].samples[:2] == ("000000", "000017")


def subset_file(release, *lines):
    file = release / "one" / "COCO_CLIP_searched_subset_3prompts.json"
    file.parent.mkdir()
    file.write_bytes(b"\xef\xbb\xbf" + "\n".join(lines).encode())
    return file.parent


def test_a_released_line_ends_at_a_line_feed_and_a_subset_without_scores_is_filed_unchecked(release):
    lines = [f'{{"id": "007", "caption": "a{chr(0x2028)}b"}}', '{"id": 7, "caption": "NA"}', "", '{"id": 34}']
    folder = subset_file(release, *lines)
    assert read_released_subsets(folder)[0].ids == ("007", "7", "34")
    *_, told = import_release(folder, release / "scores", release / "out")
    assert "label CLIP not checked (2 captions have no score, first '007')" in told


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id": null}', "line 2: no caption id"),
        ('{"id": 1.5}', "line 2: no caption id"),
        ('{"id": true}', "line 2: no caption id"),
        ('{"id": 1, "id": 2}', "line 2: not JSON: 'id' stands twice"),
        ('{"id": 1, "caption": "other"}', "entry 2 gives caption '1' another text"),
    ],
)
def test_a_line_without_a_clear_id_is_refused(release, line, said):
    folder = subset_file(release, '{"id": 1, "caption": "one"}', line)
    with pytest.raises(BadInput, match=said):
        read_released_subsets(folder)


def test_the_commands_export_and_list(release, tmp_path):
    runner = CliRunner()
    listed = runner.invoke(app, ["selectors"])
    assert listed.exit_code == 0 and "soft" in listed.output and "frequency" in listed.output
    done = runner.invoke(app, ["import", str(release / "subsets"), "--out", str(tmp_path / "m")])
    assert done.exit_code == 0 and "coco-clip-10.yaml" in done.output
    done = runner.invoke(app, ["export", str(tmp_path / "m" / "coco-clip-10.yaml"), "--out", str(tmp_path / "ids.txt")])
    assert done.exit_code == 0 and len((tmp_path / "ids.txt").read_text().splitlines()) == 9


def test_what_was_searched_with_and_found_stands_in_the_file(tmp_path):
    pool = noisy(16, 60, noise=2.0, families=3)
    write_manifest(tmp_path / "w.yaml", build([pool], Weighted(), 8, 0, "w", searches=5))
    chosen = read_manifest(tmp_path / "w.yaml").chosen
    assert chosen.parameters == {"base": {"selector": "soft", "sharpness": SoftTau().sharpness}, "folds": 5}
    assert chosen.found["strength"] in STRENGTHS
    search = FrequencySearch(sets=200, top=20, rounds=3, checkpoint=tmp_path / "searches")
    write_manifest(tmp_path / "f.yaml", build([pool], search, 8, 0, "f", searches=5))
    chosen = read_manifest(tmp_path / "f.yaml").chosen
    assert chosen.parameters == {"sets": 200, "top": 20, "rounds": 3} and 0 < chosen.found["tau"] <= 1
