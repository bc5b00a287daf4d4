"""Energy against fake counters whose joules are known, also where they start over, stand still or vanish."""

import math
import time

import pytest

from effbench.measure import energy
from effbench.measure.energy import NvmlCounter, RaplCounter, find_counter, measure_energy
from effbench.measure.nvml import Gpu

LIMIT = 262_143_328_850


class FakeRapl:
    """A powercap tree of two packages with their parts; ``draw`` lets energy flow through one of them."""

    def __init__(self, root):
        self.root = root
        self.zone("intel-rapl:0", "package-0", 1_000_000)
        self.zone("intel-rapl:0:0", "core", 900_000)
        self.zone("intel-rapl:1", "package-1", 2_000_000)
        self.zone("intel-rapl:1:0", "dram", 100_000)
        self.zone("intel-rapl:2", "psys", 5_000_000)

    def zone(self, folder, name, energy_uj):
        path = self.root / folder
        path.mkdir()
        (path / "name").write_text(f"{name}\n")
        (path / "max_energy_range_uj").write_text(f"{LIMIT}\n")
        (path / "energy_uj").write_text(f"{energy_uj}\n")

    def draw(self, package, joules):
        file = self.root / f"intel-rapl:{package}" / "energy_uj"
        file.write_text(f"{(int(file.read_text()) + round(joules * 1e6)) % LIMIT}\n")


@pytest.fixture
def rapl(tmp_path):
    return FakeRapl(tmp_path)


def test_rapl_sums_the_packages_and_nothing_twice(rapl):
    counter = find_counter("cpu", rapl.root)
    assert isinstance(counter, RaplCounter)
    assert [package.name for package in counter.packages] == ["intel-rapl:0", "intel-rapl:1"]
    before = counter.read_j()
    rapl.draw(0, 3.0)
    rapl.draw(1, 0.5)
    rapl.draw("0:0", 2.0)
    rapl.draw(2, 7.0)
    assert counter.read_j() - before == pytest.approx(3.5)


def test_a_counter_that_starts_over_loses_nothing(rapl):
    rapl.draw(0, LIMIT / 1e6 - 3.0)  # 2 J below its limit
    counter = find_counter("cpu", rapl.root)
    before = counter.read_j()
    rapl.draw(0, 10.0)
    assert int((rapl.root / "intel-rapl:0/energy_uj").read_text()) < 10e6, "it did start over"
    assert counter.read_j() - before == pytest.approx(10.0)
    rapl.draw(0, 4.0)
    assert counter.read_j() - before == pytest.approx(14.0)


def test_no_counter_that_can_be_read_is_none(tmp_path, rapl):
    assert find_counter("cpu", tmp_path / "missing") is None
    (rapl.root / "intel-rapl:1/energy_uj").unlink()
    assert find_counter("cpu", rapl.root) is None, "one package of two is not the machine"


def test_a_call_costs_what_the_counter_says(rapl):
    counter = find_counter("cpu", rapl.root)

    def call():
        rapl.draw(0, 2.5)
        time.sleep(0.001)

    used = measure_energy(call, counter, at_least_s=0.05)
    assert used.joules_per_call == pytest.approx(2.5)
    assert used.calls > 3
    assert used.seconds >= 0.05
    assert used.idle_watts is None, "nothing flowed while it idled"
    assert (used.reason, used.counter) == ("", "processor packages")


def test_idle_power_is_measured_apart(rapl, monkeypatch):
    counter = find_counter("cpu", rapl.root)
    really_sleep = time.sleep

    def idle(seconds):
        really_sleep(seconds)
        rapl.draw(1, 40 * seconds)

    monkeypatch.setattr(energy.time, "sleep", idle)
    used = measure_energy(lambda: rapl.draw(0, 1.0), counter, at_least_s=0.2)
    assert used.idle_watts == pytest.approx(40, rel=0.1)
    assert used.joules_per_call == pytest.approx(1.0)


def test_a_wrap_inside_a_long_window_is_seen(rapl, monkeypatch):
    monkeypatch.setattr(energy, "LOOK_EVERY_S", 0.0)
    counter = find_counter("cpu", rapl.root)
    used = measure_energy(lambda: rapl.draw(0, 0.7 * LIMIT / 1e6), counter, at_least_s=0.02)
    assert used.joules_per_call == pytest.approx(0.7 * LIMIT / 1e6)


def test_a_counter_that_stands_still_gives_none_and_never_zero(rapl):
    used = measure_energy(lambda: time.sleep(0.001), find_counter("cpu", rapl.root), at_least_s=0.02)
    assert used.joules_per_call is None
    assert used.idle_watts is None
    assert "did not move" in used.reason


def test_a_counter_that_vanishes_gives_none_with_its_reason(rapl):
    counter = find_counter("cpu", rapl.root)
    (rapl.root / "intel-rapl:0/energy_uj").unlink()
    used = measure_energy(lambda: None, counter, at_least_s=0.01)
    assert used.joules_per_call is None
    assert "could not be read" in used.reason


class FakeNvml:
    NVMLError = type("NVMLError", (Exception,), {})

    def __init__(self, supported=True):
        self.supported, self.millijoules = supported, 5_000_000

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        if not self.supported or handle != "handle":
            raise self.NVMLError("Not Supported")
        return self.millijoules


def test_nvml_counts_millijoules(monkeypatch):
    nvml, synchronised = FakeNvml(), []
    monkeypatch.setattr(energy, "open_gpu", lambda device: Gpu(nvml, "handle") if device == "cuda:1" else None)
    monkeypatch.setattr(energy, "_synchronise", synchronised.append)
    counter = find_counter("cuda:1")
    assert isinstance(counter, NvmlCounter)

    def call():
        nvml.millijoules += 1500
        time.sleep(0.001)

    used = measure_energy(call, counter, at_least_s=0.02)
    assert used.joules_per_call == pytest.approx(1.5)
    assert set(synchronised) == {"cuda:1"}
    assert len(synchronised) > used.calls
    assert find_counter("cuda:0") is None


def test_a_gpu_without_an_energy_counter_is_none(monkeypatch):
    monkeypatch.setattr(energy, "open_gpu", lambda device: Gpu(FakeNvml(supported=False), "handle"))
    assert find_counter("cuda:0") is None


def test_the_window_is_five_seconds_unless_a_test_asks_for_less():
    assert measure_energy.__defaults__ == (5.0,)
    assert math.isclose(energy.LOOK_EVERY_S, 1.0)
