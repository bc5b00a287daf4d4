"""FlashEval's real scores: 78 settings of Stable Diffusion on 5,000 DiffusionDB prompts, the published 39/39 split.

What is tested here was fixed before looking: seeds 0 to 4, the selectors' parameters as they stand. ``SoftTau``'s sharpness
was chosen by cross-validation inside the search half; nothing was tuned on the held-out half.
"""

import numpy as np
import pytest
from planted import SCORES, needs_scores

from effbench.subset.frequency import FrequencySearch
from effbench.subset.matrix import score_matrix
from effbench.subset.release import MARGINS
from effbench.subset.tau import tau_b, taus

pytestmark = needs_scores

RANDOM_500 = {"ImageReward": 0.886, "HPS": 0.870, "CLIP": 0.881, "Aesthetic": 0.889}
PLAIN_50 = {"ImageReward": 0.873, "HPS": 0.773, "CLIP": 0.843, "Aesthetic": 0.830}
"""Held-out tau of a plain re-implementation of the published search, one seed (dossier, section 4.2)."""


@pytest.fixture(scope="module")
def halves():
    data = np.load(SCORES, allow_pickle=False)
    rows = {side: np.flatnonzero(data["split"] == side) for side in ("train", "test")}
    assert not set(rows["train"]) & set(rows["test"])
    found = {}
    for metric, values in zip(data["metrics"].tolist(), data["diffusiondb_scores"].astype(np.float64)):
        whole = score_matrix(
            metric, values, data["settings"].tolist(), [str(name) for name in data["diffusiondb_prompt_id"]],
            families=data["setting_model"].tolist(), margin=MARGINS[metric],
        )  # fmt: skip
        found[metric] = {side: whole.of_methods(chosen) for side, chosen in rows.items()}
    return found


@pytest.mark.parametrize("metric", RANDOM_500)
def test_random_sets_reach_what_the_dossier_measured(halves, metric):
    held, rng = halves[metric]["test"], np.random.default_rng(0)
    sets = rng.integers(0, 5000, (200, 500))  # with replacement, as there; without, a tenth of the variance is gone
    assert taus(held.values.T, held.truth, sets, held.margin).mean() == pytest.approx(RANDOM_500[metric], abs=0.005)


MISSED = pytest.mark.xfail(strict=True, reason="0.840 against 0.873; at the published budget 0.822")


@pytest.mark.whole
@pytest.mark.parametrize("metric", ["HPS", "CLIP", "Aesthetic", pytest.param("ImageReward", marks=MISSED)])
def test_the_published_search_is_reproduced(halves, metric):
    search, held = halves[metric]["train"], halves[metric]["test"]
    chosen = [FrequencySearch().select([search], 50, seed) for seed in range(5)]
    reached = [tau_b(selection.estimate(held), held.truth, held.margin) for selection in chosen]
    error = np.std(reached, ddof=1) / np.sqrt(5)
    assert np.mean(reached) >= PLAIN_50[metric] - 2 * error
    assert min(selection.details["tau"] for selection in chosen) > 0.93  # on the settings searched
