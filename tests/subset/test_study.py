"""The study behind docs/flasheval.md: what was chosen saw no held-out setting, and each sentence follows from numbers."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bench_flasheval import __main__ as study
from bench_flasheval import claims, embedded, tuning
from bench_flasheval.verdict import Target, verdict_of
from planted import noisy

from effbench.stats.bootstrap import Interval
from effbench.subset.judgement import Fold, Judgement
from effbench.subset.selection import even
from effbench.subset.soft import SoftTau

PAGE = Path(__file__).parents[2] / "docs" / "flasheval.md"
SPLIT = Fold(np.arange(0, 44, 2), np.arange(1, 44, 2), "published")


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(tuning, "SHARPNESS", (0.1, SoftTau().sharpness))
    monkeypatch.setattr(tuning, "CANDIDATES", ("soft", "greedy", "stratified"))
    monkeypatch.setattr(tuning, "REPEATS", 1)


def test_what_is_chosen_does_not_depend_on_the_held_out_half(few):
    pool = noisy(44, 80, noise=3.0)
    other = pool.values.copy()
    other[SPLIT.held_out] = np.random.default_rng(9).normal(50, 90, (22, 80))
    first, second = (tuning.tune([matrix], SPLIT, (4, 8)) for matrix in (pool, replace(pool, values=other)))
    assert first == second and set(tuning.chosen_by_size(first)) == {4, 8}
    other[SPLIT.search] = other[SPLIT.search][::-1] * np.random.default_rng(8).normal(1, 1, (22, 80))
    assert tuning.tune([replace(pool, values=other)], SPLIT, (4, 8)) != first


def test_every_method_is_left_out_once_in_every_repeat():
    folds = list(tuning.crossed(39))
    assert len(folds) == tuning.PARTS * tuning.REPEATS
    counts = np.bincount(np.concatenate([fold.held_out for fold in folds]), minlength=39)
    assert (counts == tuning.REPEATS).all()
    assert all(not set(fold.search) & set(fold.held_out) for fold in folds)


def test_the_default_sharpness_is_the_one_that_the_page_says_won():
    page = PAGE.read_text()
    best, default = re.search(r"Best sharpness over the sizes: ([\d.]+) .*default ([\d.]+)", page).groups()
    assert float(best) == float(default) == SoftTau().sharpness


def judgement(tau, size, metric="CLIP"):
    return Judgement(metric, "x", 5, tau, Interval(tau - 0.1, tau + 0.1), 0.95, 0.5, size, 0.1, 0.4, 0.01)


def test_the_verdict_counts_random_samples_per_sample():
    found = {("soft", 10): [judgement(0.8, 120)], ("greedy", 10): [judgement(0.9, None)]}
    lines = verdict_of([Target("published split", found, 10, 10.0)], {10: "soft"}).splitlines()
    assert lines[-1] == "| published split | 10 | soft | 10x | 12.0x: reached |"
    assert verdict_of([Target("s", found, 10, 13.0)], {10: "soft"}).endswith("12.0x: missed |")
    assert verdict_of([Target("s", found, 10, 13.0)], {10: "greedy"}).endswith("all: reached |")


def test_the_ledger_never_puts_another_prompt_set_beside_the_claim():
    (line,) = claims.claims_table([judgement(0.812, 187)]).splitlines()[2:]
    assert "| 500 prompts | CLIP: 187 prompts (tau 0.812 [0.712, 0.912]) | not comparable (the scores on COCO" in line


def test_a_search_holds_where_it_is_not_two_errors_below():
    class Fixed:
        name = "fixed"

        def select(self, matrices, size, seed):
            return even(np.arange(size) + seed)

    pool = replace(noisy(44, 80, noise=3.0), metric="CLIP")
    taus = claims.held_out_taus(Fixed(), pool, SPLIT, 50, 5)
    mean, error = np.mean(taus), np.std(taus, ddof=1) / np.sqrt(5)
    (line,) = claims.reproduction_table([Fixed()], [pool], SPLIT, 5).splitlines()[2:]
    assert line == f"| CLIP | 0.843 | {mean:.3f} ± {error:.3f}: {'holds' if mean >= 0.843 - 2 * error else 'missed'} |"


def test_without_data_the_embedded_table_alone_is_made_and_that_is_said(tmp_path, monkeypatch, capsys):
    page = tmp_path / "flasheval.md"
    shutil.copy(PAGE, page)
    monkeypatch.setattr(embedded, "SIZES", (10,))
    monkeypatch.setattr(embedded, "STUDIED", ("soft", "stratified"))
    assert study.main(["--page", str(page), "--only", "embedded"]) == 0
    assert "only the embedded tables were made anew" in capsys.readouterr().err
    before, after = PAGE.read_text(), page.read_text()
    rows = [
        line for line in before.splitlines() if re.match(r"\| (soft|stratified|random) \| 10 \| [^|]*\| [^|]*\|$", line)
    ]
    assert len(rows) == 8 and all(row in after for row in rows)  # the page in the repository holds these very numbers
    rest = before.partition("<!-- tuning:begin")
    assert rest[1] and after.endswith(rest[1] + rest[2])


def test_a_folder_without_scores_is_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(study, "write_embedded", lambda page: None)
    assert study.main(["--data", str(tmp_path), "--only", "embedded"]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path}: no diffusiondb_scores.npz in it\n"
