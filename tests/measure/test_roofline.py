"""The shortest time by hand, peaks of tiny products for real, and what is kept of them."""

import json
import time
from importlib.metadata import version

import pytest
import torch

from effbench.measure import roofline
from effbench.measure.noise import NoiseMeter
from effbench.measure.roofline import cache_bytes, calibrate, higher, load, save
from effbench.readings import FOREIGN_B, Calibration, shortest_time_s

PEAKS = Calibration(2, version("torch"), {"float32": 100.0, "int8": 400.0}, 20.0, 1.0, {"float32": 0.01})


@pytest.fixture
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "effbench" / "machine"


@pytest.mark.parametrize(
    ("flops", "least_bytes", "seconds"),
    [
        ({"float32": 50_000_000_000}, 0, 0.5),
        ({"float32": 50_000_000_000, "int8": 200_000_000_000}, 4_000_000_000, 1.0),
        ({"float32": 50_000_000_000}, 40_000_000_000, 2.0),
        ({}, 10_000_000_000, 0.5),
        ({}, 0, 0.0),
        ({"float64": 0}, 20_000_000_000, 1.0),
        ({"float64": 1}, 0, None),
        ({"float32": 1, "bfloat16": 1}, 0, None),
    ],
)
def test_the_shortest_time_by_hand(flops, least_bytes, seconds):
    assert shortest_time_s(flops, least_bytes, PEAKS) == pytest.approx(seconds)


def test_what_fits_into_the_cache_need_not_come_from_memory():
    cached = Calibration(2, "", {}, 20.0, cache_bytes=32_000_000)
    assert shortest_time_s({}, 32_000_000, cached) == 0.0
    assert shortest_time_s({}, 52_000_000, cached) == pytest.approx(1e-3)


def test_the_ridge_is_where_both_bounds_meet():
    flops = 10**9
    at_ridge = flops / PEAKS.ridge("int8")
    assert shortest_time_s({"int8": flops}, round(at_ridge), PEAKS) == pytest.approx(flops / 400e9)
    assert shortest_time_s({"int8": flops}, round(2 * at_ridge), PEAKS) == pytest.approx(2 * flops / 400e9)


def test_calibrating_with_tiny_sizes(monkeypatch):
    monkeypatch.setattr(roofline, "SHAPES", ((8, 32, 32), (16, 64, 64)))
    monkeypatch.setattr(roofline, "SECONDS_PER_PEAK", 0.01)
    monkeypatch.setattr(roofline, "MOST_SECONDS_PER_PEAK", 0.02)
    monkeypatch.setattr(roofline, "LEAST_ARRAY_BYTES", 2**20)
    monkeypatch.setattr(roofline, "TIMES_THE_CACHE", 0)
    threads, calls = torch.get_num_threads(), []
    found = calibrate(1, between=lambda: calls.append(torch.get_num_threads()))
    assert torch.get_num_threads() == threads, "the number of threads is put back"
    assert calls == [1] * 4
    assert set(found.gemm_gflops) == {"float32", "bfloat16", "int8"}
    assert set(found.spread) == {"float32", "bfloat16", "int8", "bandwidth"}
    assert all(rate > 0 for rate in (*found.gemm_gflops.values(), found.bandwidth_gb_s))
    assert (found.threads, found.device, found.torch) == (1, "cpu", version("torch"))
    assert 0 < found.seconds < 10


class FakeClock:
    """Each call of a job takes what stands next in its list, which stays at its last entry."""

    def __init__(self, monkeypatch, **seconds):
        self.now, self.left, self.calls = 0.0, {name: list(times) for name, times in seconds.items()}, 0
        monkeypatch.setattr(roofline, "_seconds", self.seconds)
        monkeypatch.setattr(roofline.time, "perf_counter", lambda: self.now)

    def seconds(self, name, device):
        times = self.left[name]
        taken = times.pop(0) if len(times) > 1 else times[0]
        self.now, self.calls = self.now + taken, self.calls + 1
        return taken


def test_a_peak_is_the_median_of_the_best_repeats_of_the_best_job(monkeypatch):
    FakeClock(monkeypatch, a=[9.0, 2.0, 2.0, 2.0, 0.5], b=[9.0, 1.0])
    jobs = [roofline.Job(int(2e9), "a"), roofline.Job(int(3e9), "b")]
    # Rates of a: 1, 1, 1, 4, 4; of b: 3 five times. The first calls, 9 s each, are left out.
    assert roofline._peak(jobs, "cpu") == roofline.Peak(3.0, 0.0)


def test_an_unsettled_machine_gets_more_time_but_not_for_ever(monkeypatch):
    steady = FakeClock(monkeypatch, a=[0.2])
    assert roofline._peak([roofline.Job(int(2e9), "a")], "cpu") == roofline.Peak(10.0, 0.0)
    assert steady.calls == 1 + 5
    late = FakeClock(monkeypatch, a=[0.2, 0.3, 0.3, 0.3, 0.1])
    assert roofline._peak([roofline.Job(int(2e9), "a")], "cpu") == roofline.Peak(20.0, 0.0)
    assert late.calls == 1 + 8
    never = FakeClock(monkeypatch, a=[0.2, *[0.1, 0.2, 0.3] * 20])
    assert roofline._peak([roofline.Job(int(2e9), "a")], "cpu").spread > 0.05
    assert roofline.MOST_SECONDS_PER_PEAK < never.now < 2 * roofline.MOST_SECONDS_PER_PEAK


def test_the_spread_is_that_of_the_best_repeats():
    assert roofline._best([1.0, 10.0, 9.0, 2.0, 8.0, 11.0, 10.0]) == roofline.Peak(10.0, pytest.approx(0.3))


def test_a_type_that_the_device_cannot_multiply_is_left_out(monkeypatch):
    def refuse():
        raise RuntimeError("not implemented for 'Char'")

    monkeypatch.setattr(roofline, "SECONDS_PER_PEAK", 0.01)
    monkeypatch.setattr(roofline, "TIMES_THE_CACHE", 0)
    monkeypatch.setattr(roofline, "LEAST_ARRAY_BYTES", 2**20)
    product = roofline.Job(10**6, lambda: None)
    monkeypatch.setattr(
        roofline,
        "_cpu_products",
        lambda threads: {"float32": lambda: [product], "int8": lambda: [product, roofline.Job(1, refuse)]},
    )
    found = calibrate(1)
    assert set(found.gemm_gflops) == {"float32"}
    assert shortest_time_s({"int8": 5}, 0, found) is None


def test_what_is_kept_comes_back_and_only_for_the_same_machine(cache_folder):
    assert load("abc", 2) is None
    assert save(PEAKS, "abc") == cache_folder / "abc-2.json"
    assert load("abc", 2) == PEAKS
    assert load("abc", 4) is None
    assert load("xyz", 2) is None
    assert load("abc", 2, "cuda:0") is None
    on_gpu = Calibration(2, version("torch"), {"float16": 1.0}, 1.0, device="cuda:0")
    assert save(on_gpu, "abc").name == "abc-2-cuda0.json"
    assert load("abc", 2, "cuda:0") == on_gpu


def test_without_a_cache_folder_of_its_own_it_is_in_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert save(PEAKS, "abc").is_relative_to(tmp_path / ".cache" / "effbench")


def test_unusable_files_are_as_if_never_measured(cache_folder):
    path = save(PEAKS, "abc")
    good = json.loads(path.read_text())
    for bad in (
        "",
        "[]",
        json.dumps({**good, "surplus": 1}),
        json.dumps({**good, "torch": "1.0"}),
        json.dumps({**good, "bandwidth_gb_s": 0.0}),
        json.dumps({**good, "gemm_gflops": {"float32": float("nan")}}),
    ):
        path.write_text(bad)
        assert load("abc", 2) is None, bad


def test_a_busy_second_measurement_lowers_nothing(cache_folder):
    busy = Calibration(2, version("torch"), {"float32": 30.0, "int8": 500.0}, 5.0, 2.0, {"float32": 0.4, "int8": 0.1})
    save(PEAKS, "abc")
    save(busy, "abc")
    kept = load("abc", 2)
    assert kept == higher(PEAKS, busy)
    assert kept.gemm_gflops == {"float32": 100.0, "int8": 500.0}
    assert kept.bandwidth_gb_s == 20.0
    assert kept.spread == {"float32": 0.01, "int8": 0.1}


def test_last_level_caches_count_once_each(tmp_path):
    for cpu, (level, size, shared) in [
        (0, (1, "32K", "0")),
        (0, (3, "16384K", "0-1")),
        (1, (1, "32K", "1")),
        (1, (3, "16384K", "0-1")),
        (2, (3, "8M", "2")),
    ]:
        folder = tmp_path / f"cpu{cpu}" / "cache" / f"index{level}"
        folder.mkdir(parents=True)
        for name, value in (("level", level), ("size", size), ("shared_cpu_list", shared)):
            (folder / name).write_text(f"{value}\n")
    assert cache_bytes(tmp_path) == (16384 * 1024) + 8 * 2**20
    assert cache_bytes(tmp_path / "nowhere") == 0


@pytest.mark.slow
def test_calibrating_for_real_takes_seconds_and_agrees_with_itself():
    meter, cpu_before = NoiseMeter(), time.process_time()
    meter.start()
    first, again = (calibrate(2) for _ in range(2))
    noise = meter.stop(time.process_time() - cpu_before)
    assert set(first.gemm_gflops) == {"float32", "bfloat16", "int8"}
    if noise.foreign_share is None or noise.foreign_share > FOREIGN_B:
        pytest.skip(f"the machine is busy with something else: {noise}")
    assert first.seconds < 10
    for dtype, rate in first.gemm_gflops.items():
        assert again.gemm_gflops[dtype] == pytest.approx(rate, rel=0.5), dtype
    assert again.bandwidth_gb_s == pytest.approx(first.bandwidth_gb_s, rel=0.5)
