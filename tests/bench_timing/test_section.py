"""The generated section: every number out of the run, and exit code 1 where a requirement does not hold."""

import json
import sys

import pytest

from bench_timing.__main__ import main, report
from bench_timing.analysis import findings_of
from bench_timing.report import section
from effbench.errors import BadInput


@pytest.fixture
def run_main(tmp_path, description, monkeypatch, capsys):
    """`run_main(repeats)` reports them as a finished run and returns (code, page, stderr)."""

    def run(repeats, grade="B"):
        folder, page = tmp_path / "run", tmp_path / "page.md"
        folder.mkdir(exist_ok=True)
        description["noise"]["grade"] = grade
        (folder / "run.json").write_text(json.dumps(description))
        for number, rows in enumerate(repeats):
            (folder / f"repeat-{number:03d}.json").write_text(json.dumps(rows))
        page.write_text(
            "before\n<!-- timing:begin (make bench-timing) -->\nwhat stood here\n<!-- timing:end -->\nafter\n"
        )
        monkeypatch.setattr(sys, "argv", ["bench_timing", "--from", str(folder), "--page", str(page)])
        code = main()
        return code, page.read_text(), capsys.readouterr().err

    return run


def test_a_good_run_says_so_and_replaces_only_its_section(made_run, run_main):
    code, page, _ = run_main(made_run())
    assert code == 0
    assert page.startswith("before\n<!-- timing:begin")
    assert page.endswith("<!-- timing:end -->\nafter\n")
    assert "what stood here" not in page
    assert "All requirements hold" in page
    assert "Made-up 9000" in page


def test_a_broken_requirement_is_exit_code_one_and_stands_on_the_page(made_run, run_main):
    code, page, err = run_main(made_run(theirs=1.05))
    assert code == 1
    assert "What does not hold" in page
    assert "lies in our interval in 0 of 16 repeats" in page
    assert "lies in our interval in 0 of 16 repeats" in err


def test_a_noisy_machine_says_so_and_is_judged_like_any_other(made_run, run_main):
    code, page, _ = run_main(made_run(), grade="C")
    assert code == 0
    assert "Noise grade C" in page
    assert run_main(made_run(theirs=1.05), grade="C")[0] == 1


def test_a_folder_without_a_finished_run_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench_timing", "--from", str(tmp_path)])
    assert main() == 2
    assert "holds no finished run" in capsys.readouterr().err


def test_runs_of_one_plan_and_machine_are_reported_together(made_run, tmp_path, description):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(json.dumps(description))
        for number, rows in enumerate(made_run()):
            (tmp_path / name / f"repeat-{number:03d}.json").write_text(json.dumps(rows))
    text, sentences = report([tmp_path / "one", tmp_path / "two"])
    assert sentences == [] and "2 runs together of 16 repeats" in text and " of 16 (" in text
    description["plan"]["rounds"] = 8
    (tmp_path / "two" / "run.json").write_text(json.dumps(description))
    with pytest.raises(BadInput, match="differ in their plan"):
        report([tmp_path / "one", tmp_path / "two"])
    description["machine"]["cores"] = 4
    (tmp_path / "two" / "run.json").write_text(json.dumps(description))
    with pytest.raises(BadInput, match="differ in machine"):
        report([tmp_path / "one", tmp_path / "two"])


def test_the_tables_show_the_findings(made_run, description):
    findings = findings_of(made_run())
    text = section(findings, description)
    for row in findings.agreements:
        assert f"{row.ours_ms:.3f} [{row.interval_ms.low:.3f}, {row.interval_ms.high:.3f}]" in text
        assert f"{row.inside} of {row.repeats}" in text
    assert "times blocks of 10,000" in text
    assert f"{findings.busy[1].to_blocked.value:.3f} [" in text
    assert "| 99% |" in text
    assert findings.broken == []


def test_a_machine_too_slow_for_intervals_is_no_agreement(made_run, run_main):
    repeats = made_run(repeats=2)
    for rows in repeats:
        for row in rows:
            row["times_ms"] = row["times_ms"][:1]
    code, page, _ = run_main(repeats)
    assert code == 1
    assert "| no interval | **no** | 0 of 2 (0%) | 0% |" in page
