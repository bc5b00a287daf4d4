"""Shares of a fake /proc/stat by hand, grades at their limits, and a busy neighbour seen on the real machine."""

import math
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from effbench import readings
from effbench.measure import noise
from effbench.measure.noise import NoiseMeter, clock_spread, cpu_seconds, processor_time
from effbench.measure.nvml import Gpu
from effbench.readings import NoiseReading, grade, worst

QUIET = NoiseReading(0.0, 0.0, 0.0, 0.0, False)
TICK = os.sysconf("SC_CLK_TCK")


class FakeMachine:
    """A file system of two processors; ``pass_time`` adds seconds to the fields of /proc/stat."""

    def __init__(self, root):
        self.root = root
        self.fields = [10000.0, 0.0, 500.0, 90000.0, 10.0, 0.0, 5.0, 7.0, 0.0, 0.0]
        (root / "proc").mkdir()
        (root / "proc/loadavg").write_text("1.25 0.75 0.50 2/345 6789\n")
        self.pass_time()

    def pass_time(self, **seconds):
        names = ("user", "nice", "system", "idle", "wait", "irq", "softirq", "steal", "guest")
        for name, more in seconds.items():
            self.fields[names.index(name)] += more
        numbers = " ".join(str(round(f * TICK)) for f in self.fields)
        (self.root / "proc/stat").write_text(f"cpu  {numbers}\ncpu0 1 2 3 4 5 6 7 8 9 0\nintr 12345 0\n")

    def sensor(self, name, value):
        file = self.root / "sys/devices/system/cpu" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n")


@pytest.fixture
def machine(tmp_path):
    return FakeMachine(tmp_path)


def test_shares_by_hand(machine):
    meter = NoiseMeter(root=machine.root)
    meter.start()
    # 20 s on two processors: 40 s, of them 22 busy (2 as a guest's, counted in user already), 2 stolen, 16 idle.
    machine.pass_time(user=15, nice=1, system=4, irq=0.5, softirq=1.5, idle=14, wait=2, steal=2, guest=2)
    reading = meter.stop(own_cpu_s=18.0)
    assert reading.foreign_share == pytest.approx((22 - 18) / 40)
    assert reading.steal_share == pytest.approx(2 / 40)
    assert reading.load == 1.25
    assert reading.clock_spread is None
    assert reading.throttled is None


def test_rounding_of_our_own_time_never_gives_a_negative_share(machine):
    meter = NoiseMeter(root=machine.root)
    meter.start()
    machine.pass_time(user=10, idle=10)
    assert meter.stop(own_cpu_s=10.4).foreign_share == 0.0


def test_nothing_readable(tmp_path):
    meter = NoiseMeter(root=tmp_path)
    meter.start()
    reading = meter.stop(1.0)
    assert reading == NoiseReading(None, None, None, None, None)
    assert grade(reading)[0] == "B"
    assert len(grade(reading)[1]) == 4


def test_no_time_passed(machine):
    meter = NoiseMeter(root=machine.root)
    meter.start()
    assert meter.stop(0.0).foreign_share is None


@pytest.mark.parametrize(
    ("file", "before", "after", "throttled"),
    [
        ("cpu0/thermal_throttle/core_throttle_count", 4, 4, False),
        ("cpu1/thermal_throttle/package_throttle_count", 4, 5, True),
        ("cpu0/cpufreq/scaling_max_freq", 3_000_000, 3_000_000, False),
        ("cpu0/cpufreq/scaling_max_freq", 3_000_000, 2_000_000, True),
        ("cpu0/cpufreq/bios_limit", 3_000_000, 3_200_000, False),
        ("cpu0/cpufreq/scaling_cur_freq", 3_000_000, 2_000_000, None),
    ],
)
def test_throttling_of_the_processor(machine, file, before, after, throttled):
    machine.sensor(file, before)
    meter = NoiseMeter(root=machine.root)
    meter.start()
    machine.sensor(file, after)
    assert meter.stop(0.0).throttled is throttled


class FakeNvml:
    NVMLError = type("NVMLError", (Exception,), {})

    def __init__(self, *reasons):
        self.reasons = list(reasons)

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle):
        reason = self.reasons.pop(0)
        if reason is None:
            raise self.NVMLError
        return reason


@pytest.mark.parametrize(
    ("reasons", "throttled"),
    [((0x1, 0x0), False), ((0x4, 0x1), True), ((0x1, 0x40), True), ((None, None), None), ((0x2, None), False)],
)
def test_throttling_of_a_gpu(machine, monkeypatch, reasons, throttled):
    machine.sensor("cpu0/thermal_throttle/core_throttle_count", 0)
    gpu = Gpu(FakeNvml(*reasons), "handle")
    monkeypatch.setattr(noise, "open_gpu", lambda device: gpu if device == "cuda:0" else None)
    meter = NoiseMeter("cuda:0", machine.root)
    meter.start()
    meter.tick()
    assert meter.stop(0.0).throttled is throttled


def test_spread_of_the_clock():
    assert clock_spread([1.0] * 4) is None
    assert clock_spread([1.0] * 5) == 0.0
    assert clock_spread([*range(10, 21)]) == pytest.approx((19 - 11) / 15)


def test_ticks_are_short_and_a_slower_clock_shows(monkeypatch):
    meter = NoiseMeter()
    meter.start()
    started = time.perf_counter()
    for _ in range(10):
        meter.tick()
    assert (time.perf_counter() - started) / 10 < 0.05
    assert meter.stop(0.0).clock_spread >= 0
    monkeypatch.setattr(noise, "SPIN_STEPS", 3 * noise.SPIN_STEPS)
    for _ in range(10):
        meter.tick()
    assert meter.stop(0.0).clock_spread > 0.5


def test_grades_at_their_limits():
    assert grade(QUIET) == ("A", ())
    for name, (_, most_a, most_b) in readings.LIMITS.items():
        assert grade(QUIET._replace(**{name: most_a}))[0] == "A"
        assert grade(QUIET._replace(**{name: math.nextafter(most_a, 1)}))[0] == "B"
        assert grade(QUIET._replace(**{name: most_b}))[0] == "B"
        assert grade(QUIET._replace(**{name: math.nextafter(most_b, 1)}))[0] == "C"
        assert grade(QUIET._replace(**{name: None}))[0] == "B"
    assert grade(QUIET._replace(throttled=True)) == ("C", ("the clock was throttled",))
    assert grade(QUIET._replace(throttled=None)) == ("B", ("throttling could not be read",))
    assert grade(QUIET._replace(load=100.0, foreign_share=0.25)) == (
        "C",
        ("foreign processes took 25% of the processors",),
    )


def test_the_worst_of_several_rounds():
    assert worst([QUIET, NoiseReading(0.3, 0.0, 0.01, 2.0, True)]) == NoiseReading(0.3, 0.0, 0.01, 2.0, True)
    assert worst([]) == NoiseReading(None, None, None, None, None)
    unread = NoiseReading(None, None, None, None, None)
    assert worst([QUIET, unread]) == NoiseReading(None, None, None, 0.0, None), "what was not read may have been bad"
    noisy = NoiseReading(0.05, 0.5, 0.03, 1.0, True)
    assert worst([noisy, unread]) == noisy
    for read in ([QUIET, unread], [noisy, unread], [noisy, QUIET]):
        assert grade(worst(read))[0] == max(grade(r)[0] for r in read)


BUSY = "import time\nend = time.time() + 20\nwhile time.time() < end: pass"


@pytest.mark.skipif(processor_time() is None, reason="no /proc/stat")
def test_a_busy_neighbour_is_foreign_and_our_own_child_is_not():
    child = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        time.sleep(0.3)
        meter = NoiseMeter()
        before, started = cpu_seconds([os.getpid()]), processor_time().total
        of_child = cpu_seconds([child.pid])
        meter.start()
        time.sleep(1.5)
        used = cpu_seconds([child.pid]) - of_child
        ours = cpu_seconds([os.getpid()]) - before  # the child is below this process
        as_foreign, as_own = meter.stop(ours - used), meter.stop(ours)
        total = processor_time().total - started
    finally:
        child.kill()
        child.wait()
    assert used > 0.2, "the neighbour got no time at all"
    assert as_foreign.foreign_share - as_own.foreign_share == pytest.approx(used / total, abs=0.05)
    assert as_foreign.foreign_share > 0.8 * used / total
    assert cpu_seconds([child.pid]) == 0.0


def test_a_process_named_beside_its_parent_counts_once():
    child = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        time.sleep(1)
        once, named = cpu_seconds([os.getpid()]), cpu_seconds([os.getpid(), child.pid])
        assert cpu_seconds([child.pid]) > 0.2
        assert named - once < 0.1
    finally:
        child.kill()
        child.wait()


def test_the_time_of_grandchildren_counts():
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}])"
    child = subprocess.Popen([sys.executable, "-c", code])
    try:
        deadline = time.time() + 10
        while cpu_seconds([child.pid]) < 0.5 and time.time() < deadline:
            time.sleep(0.05)
        assert cpu_seconds([child.pid]) >= 0.5
    finally:
        for process in noise.psutil.Process(child.pid).children():
            process.kill()
        child.kill()
        child.wait()


def test_without_a_gpu_there_is_none(monkeypatch):
    from effbench.measure import nvml

    nvml.open_gpu.cache_clear()
    assert nvml.open_gpu("cpu") is None
    fake = SimpleNamespace(
        NVMLError=FakeNvml.NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda name: f"handle of {name}",
    )
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    monkeypatch.setattr(nvml, "device_uuid", lambda index: f"GPU-{index}" if index < 2 else None)
    assert nvml.open_gpu("cuda:1") == Gpu(fake, "handle of GPU-1")
    assert nvml.open_gpu("cuda:2") is None
    nvml.open_gpu.cache_clear()
