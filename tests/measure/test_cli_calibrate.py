"""``effbench calibrate`` as a user runs it, with the measuring itself replaced."""

import json

import pytest
from typer.testing import CliRunner

from effbench.cli.app import app
from effbench.errors import BadInput
from effbench.measure import roofline
from effbench.measure.machine import fingerprint, physical_cores
from effbench.readings import Calibration


@pytest.fixture(autouse=True)
def fixed_peaks(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def measured(threads, device, between):
        between()
        spread = {"float32": 0.02, "bandwidth": 0.03}
        return Calibration(threads, roofline.version("torch"), {"float32": 120.0}, 30.0, 1.5, spread, device)

    monkeypatch.setattr(roofline, "calibrate", measured)


def test_it_prints_peaks_ridge_and_grade_and_keeps_them():
    done = CliRunner().invoke(app, ["calibrate", "--device", "cpu", "--threads", "3"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "120.0 GFLOP/s" in done.output
    assert "4.0 FLOP/B" in done.output
    assert "30.0 GB/s" in done.output
    assert "noise grade" in done.output
    kept = roofline.load(fingerprint(), 3)
    assert kept.gemm_gflops == {"float32": 120.0}
    assert str(roofline.calibration_file(fingerprint(), 3)) in done.output


def test_json():
    done = CliRunner().invoke(app, ["calibrate", "--json"], catch_exceptions=False)
    found = json.loads(done.output)
    assert found["machine"] == fingerprint()
    assert found["measured"] == found["kept"]
    assert found["measured"]["threads"] == physical_cores()
    assert found["noise"]["grade"] in "ABC"
    assert found["noise"]["clock_spread"] is not None


@pytest.mark.parametrize(("device", "why"), [("tpu", "valid: auto, cpu"), ("cuda:77", "no such device")])
def test_a_device_that_is_not_there_is_one_sentence(device, why):
    with pytest.raises(BadInput, match=why):
        CliRunner().invoke(app, ["calibrate", "--device", device], catch_exceptions=False, standalone_mode=False)
