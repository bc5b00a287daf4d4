"""cache-dit as a method, with the package itself, which is no part of the test environment: ``make test-peers`` runs this."""

from importlib.util import find_spec

import diffusion_systems as systems
import pytest
from caching_cases import DIT, LATTE, PIXART, applied, context, first_of, is_equal, made, psnr, reference, structure

from effbench.api import Unsupported
from effbench.caching.counting import ComputedLayers
from effbench.testing import check_method
from effbench_baselines.caching.cache_dit import CacheDit

pytestmark = pytest.mark.skipif(
    find_spec("cache_dit") is None, reason="cache_dit not installed; make test-peers does so"
)


@pytest.mark.parametrize("name", [PIXART, DIT])
def test_a_threshold_of_zero_is_exact_and_a_larger_one_computes_less(name):
    _, plain = systems.loaded(name, 6)
    before = structure(plain.denoiser)
    assert is_equal(first_of(name, applied(made(CacheDit, threshold=0.0, warmup_steps=1), name)), reference(name))
    changed, counter = applied(made(CacheDit, threshold=0.4, warmup_steps=2), name), ComputedLayers()
    output = first_of(name, changed.observed_by(counter))
    assert 0.2 < counter.share < 0.97 and 15 < psnr(output, reference(name)) < 120
    assert is_equal(first_of(name, changed), output)
    assert structure(plain.denoiser) == before and is_equal(first_of(name, plain), reference(name))


def test_it_keeps_the_contract():
    task, _ = systems.loaded(PIXART, 4)
    params = CacheDit.Params(threshold=0.4, warmup_steps=2, taylor_order=1, calibration_samples=1)
    check_method(CacheDit, params=params, task=task, n_samples=2)


def test_a_model_that_it_does_not_know_is_refused_in_its_words():
    _, system = systems.loaded(LATTE, 6)
    with pytest.raises(
        Unsupported, match=r"^cache-dit: refuses LatteTransformer3DModel \(ValueError: .*not officially supported"
    ):
        made(CacheDit, warmup_steps=2).prepare(system, context(LATTE))
