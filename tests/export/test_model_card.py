"""A model card: the hub's own reader finds in it what the records say, whatever the names are, and nothing more."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from huggingface_hub import EvalResult, ModelCard
from huggingface_hub.repocard_data import model_index_to_eval_results

from effbench.cli.app import run_app
from effbench.errors import BadInput
from effbench.export.model_card import model_card
from effbench.report.formats import render
from effbench.report.summarise import summarise
from effbench.store import StoreView
from effbench.verification import CheckedLevel, Verification, add_to_history

STORE = Path(__file__).parent.parent / "assets" / "store-v1"
HOSTILE = ("a\n---\nb", "---", "key: value", "{x: [y", "<script>alert(1)</script>", "[x](javascript:alert(1))", "$x$", "`x`",
           "'\"", "#x", "!!python/object:x", "&a *a", "null", "1e3", "ü🙂", "\u2028---\u2028", "a|b", "%x", "@x")  # fmt: skip


def read(text: str) -> list[EvalResult]:
    """Return the results that the hub's reader finds, once it is sure that saving the card with it keeps them."""
    card = ModelCard(text)
    found = card.data.eval_results or []
    name, same = model_index_to_eval_results(
        yaml.safe_load(text.split("\n---\n")[0].removeprefix("---\n"))["model-index"]
    )
    assert (name, same) == (card.data.model_name, found)
    assert ModelCard(str(card)).data.eval_results == found
    return found


def method_of(make: ModuleType, **rest: Any) -> Any:
    flags = ("noisy_machine", "a b")
    numbers = [
        make.number("clip_score", 0.1 + 0.2, 0.29, math.pi / 10),
        make.number("latency_p50_ms", 403.125, 400.5, 406.5, flags=flags),
        make.number("speedup", 2.02, 1.9, 2.1),
        make.number("parameter_mb", None, reason="unsupported"),
    ]
    return make.cell("fewer-steps", numbers, 1, **rest)


def test_the_hub_reads_back_what_the_records_say(make: ModuleType) -> None:
    reference = make.cell("reference", subset="emoji-50")
    view = make.view(reference, method_of(make, reference_cell=reference.id, subset="emoji-50", seeds=(0, 1)))
    shared = {
        "task_type": "text-to-image",
        "task_name": "t2i",
        "dataset_type": "effbench-t2i",
        "dataset_name": "t2i (64 samples)",
        "dataset_config": "t2i",
        "dataset_args": {"steps": 20, "seeds": [0, 1], "samples": 64, "subset": "emoji-50"},
        "verified": False,
    }
    here = {"machine": "AMD EPYC 7B13, 2 cores, 8.3 GB [feedc0ffee12]", "device": "cpu", "dtype": "float32"}
    every = {"n": 64, "badge": "real (not checked)"}
    quality = {
        "unit": "",
        **every,
        "higher_is_better": True,
        "ci_low": 0.29,
        "ci_high": math.pi / 10,
        "ci_level": "95 %",
    }
    speed = {"unit": "x", **every, "higher_is_better": True, "ci_low": 1.9, "ci_high": 2.1, "ci_level": "95 %",
             "relative_to": "reference", **here}  # fmt: skip
    time = {
        "unit": "ms",
        **every,
        "higher_is_better": False,
        "ci_low": 400.5,
        "ci_high": 406.5,
        "ci_level": "95 %",
        "remarks": ["the machine was not quiet (noise grade C) while this was timed", "a b"],
        **here,
    }
    assert read(model_card(view, "fewer-steps", name="my-model")) == [
        EvalResult(
            **shared, metric_type="clip_score", metric_value=0.1 + 0.2, metric_name="CLIP score", metric_args=quality
        ),
        EvalResult(**shared, metric_type="speedup", metric_value=2.02, metric_name="speedup (x)", metric_args=speed),
        EvalResult(
            **shared,
            metric_type="latency_p50_ms",
            metric_value=403.125,
            metric_name="latency p50 (ms)",
            metric_args=time,
        ),
    ]


def test_tasks_of_one_kind_stay_apart_when_the_hub_saves_the_card(make: ModuleType) -> None:
    cells = [
        make.cell("m", [make.number("clip_score", value)], 0, task=task) for task, value in (("a", 0.1), ("b", 0.2))
    ]
    cells.append(make.cell("m", [make.number("clip_score", 0.3)], 0, task="b", params={"steps": 4}, machine="0" * 12))
    found = read(model_card(make.view(*cells), "m"))
    assert [(one.dataset_config, one.metric_value) for one in found] == [
        ("a", 0.1),
        ("b [steps=20]", 0.2),
        ("b [steps=4]", 0.3),
    ]
    assert [one.metric_value for one in read(model_card(make.view(*cells), "m", "a"))] == [0.1]


def test_a_simulated_method_claims_no_speed_and_a_failed_one_has_no_card(make: ModuleType) -> None:
    view = make.view(*make.typical_cells())
    found = read(model_card(view, "int8-simulated"))
    assert {one.metric_type for one in found} == {"clip_score", "gflop_per_sample", "preparation_s"}
    assert all(one.metric_args["badge"] == "simulated" for one in found)
    with pytest.raises(BadInput, match="w4a4 has no number with a value"):
        model_card(view, "w4a4")
    with pytest.raises(BadInput, match="no method 'fewer-step' in this store; did you mean 'fewer-steps'"):
        model_card(view, "fewer-step")
    with pytest.raises(BadInput, match="no task 't2v' in this store; did you mean 't2i'"):
        model_card(view, "fewer-steps", "t2v")


def test_the_table_below_is_the_reports_of_the_method_and_its_reference(make: ModuleType) -> None:
    cells = make.typical_cells()
    text = model_card(make.view(*cells), "fewer-steps")
    table = render(summarise(make.view(*cells[:2])), "md")
    assert text.endswith(f"\n{table}") and "int8-simulated" not in text
    assert "EffBench 0.1.0, suite quick; real (not checked)." in text


def test_only_hugging_face_verifies_in_the_hubs_sense_and_who_did_otherwise_is_said(
    make: ModuleType, tmp_path: Path
) -> None:
    said = "Self-reported: nobody else has made these numbers again."
    view = make.view(make.cell("reference"), method_of(make))
    assert said in model_card(view, "fewer-steps")
    level = CheckedLevel(
        level="schema", passed=True, compared=1, largest_difference=0.0, missing="", notes=(), findings=()
    )
    check = Verification(
        by="An <b>other</b>", machine="f00", utc="2026-11-22T10:00:00Z", effbench="0.1.0", levels=(level,)
    )
    text = model_card(view, "fewer-steps", checks=(check,))
    assert "says that they were checked: An &lt;b&gt;other&lt;/b&gt;, 2026-11-22, machine f00: schema passed." in text
    assert said not in text
    claimed = make.view(make.cell("reference"), method_of(make, verified_by="Ada"))
    assert "Ada" not in model_card(claimed, "fewer-steps"), "a record's own word is nobody's"
    made = check.model_copy(update={"by": "Ada", "levels": (level.model_copy(update={"level": "recompute"}),)})
    add_to_history(tmp_path, made)
    again = make.view(make.cell("reference"), method_of(make), path=tmp_path)
    found = read(text := model_card(again, "fewer-steps"))
    assert {(one.verified, one.metric_args["verification"]) for one in found} == {(False, "recomputed by Ada")}
    assert said not in text and "Recomputed by Ada: fewer-steps." in text


@pytest.mark.parametrize("text", HOSTILE)
def test_names_of_any_kind_end_no_front_matter_and_make_no_markup(make: ModuleType, text: str) -> None:
    numbers = [make.number(text, 0.5, 0.4, 0.6, unit=text, primary=True)]
    given = {"params": {text: [text, {text: 1}]}, **dict.fromkeys(("task", "dtype", "device", "subset", "suite"), text)}
    cells = [make.cell(f"{text}{i}", numbers, i, verified_by=text, **given) for i in range(2)]
    card = model_card(make.view(*cells, suite=text), f"{text}1", text, text)
    (one,) = read(card)
    line = " ".join(text.split())
    assert (one.metric_type, one.task_name, one.dataset_config) == (line, line, line)
    assert one.dataset_args[line] == [line, {line: 1}]
    assert not re.search(r"(?<!\\)(\]\(|\$|`|!\[)|<(img|script)", ModelCard(card).text)


def test_nothing_of_an_empty_parameter_is_left_behind(make: ModuleType) -> None:
    view = make.view(make.cell("m", params={"a": None, "b": {"c": None, "d": 1}, "e": [1.5, "x", True]}))
    assert read(model_card(view, "m"))[0].dataset_args == {
        "b": {"d": 1}, "e": [1.5, "x", True], "seeds": [0, 1], "samples": 64
    }  # fmt: skip


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["effbench", "export", *map(str, words)])
    return run_app()


def test_the_command_writes_a_card(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    given = (STORE, "--to", "model-card", "--method", "toy-momentum", "--name", "momentum")
    assert run(monkeypatch, *given) == 0
    out, err = capsys.readouterr()
    assert err == "" and ModelCard(out).data.model_name == "momentum" and len(read(out)) == 5
    assert run(monkeypatch, *given, "--out", tmp_path / "card.md") == 0
    assert (tmp_path / "card.md").read_text("utf-8") == out
    assert capsys.readouterr() == ("", f"wrote {tmp_path / 'card.md'}\n")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--to", "model-card"), "a card is of one method: name it with --method"),
        (("--to", "model-card", "--method", "a", "--method", "b"), "a card is of one method"),
        (("--to", "model-card", "--method", "toy-momentun"), "did you mean 'toy-momentum'?"),
        (("--to", "model-card", "--method", "toy-momentum", "--task", "minimize"), "did you mean 'minimise'?"),
        (("--to", "model-card", "--method", "a", "--tracking-uri", "x"), "--tracking-uri is not for --to model-card"),
        (("--to", "mlflow", "--out", "x"), "--out is not for --to mlflow"),
        (("--to", "mlflow", "--method", "x"), "no method 'x' in this store"),
        (("--to", "csv"), "'csv' is not one of 'model-card', 'mlflow'"),
        ((), "Missing option '--to'"),
    ],
)
def test_bad_input_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], why: str
) -> None:
    assert run(monkeypatch, STORE, *words) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and why in err


def test_what_is_unfinished_is_told(
    make: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = make.view(*make.typical_cells())
    for view, code, said in (
        (StoreView(whole.path, "quick", {}, whole.cells, {}, ("t2i/late",)), 0, "not finished yet: t2i/late\n"),
        (StoreView(whole.path, "quick", {}, (), {}, ("t2i/late",)), 2, "no cell has finished yet"),
    ):
        monkeypatch.setattr("effbench.store.read_store", lambda _, view=view: view)
        assert run(monkeypatch, "quick", "--to", "model-card", "--method", "fewer-steps") == code
        assert said in capsys.readouterr().err
