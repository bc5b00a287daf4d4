"""The section of the methodology page: what was run, on what, and the tables, all out of the results of a run."""

from __future__ import annotations

from typing import Any

from bench_timing.analysis import (
    LARGEST_DIFFERENCE,
    LEAST_SHARE,
    LEVEL,
    Agreement,
    BusyParent,
    Findings,
    Overhead,
    percent,
)
from bench_timing.callables import HEADS, SPIN_S, TOKENS, WIDTH
from bench_timing.measure import OPTIMUM, OURS, PEERS, TORCH
from bench_timing.ours import TURNS
from effbench.stats.ratio import Ratio

NAMES = {OURS: "EffBench", TORCH: "torch.utils.benchmark", OPTIMUM: "optimum-benchmark"}
WORKLOADS = {"trivial": f"{SPIN_S['trivial'] * 1e6:g} µs", "spin": f"{SPIN_S['spin'] * 1e3:g} ms"}


def section(findings: Findings, run: dict[str, Any]) -> str:
    """Return the whole section as Markdown."""
    plan = run["plan"]
    return "\n".join(
        [
            _setting(run),
            "### The same callable, three ways of timing\n",
            f"A pre-norm transformer block ({TOKENS} tokens, width {WIDTH}, {HEADS} heads, fp32). In each of "
            f"{plan['repeats']} repeats we time it in {plan['rounds']} fresh processes (a latency round each, {TURNS} turns) "
            f"and give the median of all calls with the interval for calls that come in rounds; each peer gets "
            f"{plan['peer_processes']} processes of the same kind, forked from a server that has imported torch, bound to "
            "the same cores, under a parent that blocks on a pipe. Every process, theirs too, first frees one large block "
            "and holds some of random sizes, as our latency workers do: the state of the allocator and the addresses that "
            "forked processes share go with what a harness did before, and change the time of this block by more than "
            "anything that is compared here.\n",
            _agreement_table(findings.agreements),
            _expectation(findings, plan),
            "### What the harness itself costs\n",
            "The callable spins for a fixed time and notes when it is entered and left, so what lies between two calls is "
            "the harness: the time of the timed loop less the calls' own, per call. The middle of the repeats, one process "
            "each. *Added* is the reported median less the call's own.\n",
            _overhead_table(findings),
            _overhead_text(findings),
            "### A parent that busy-waits\n",
            "optimum-benchmark's process launcher asks again and again whether its process has answered. The same scenario "
            "of optimum-benchmark, on the same callable and cores, under that launcher and under a parent that blocks on a "
            "pipe as ours does; ratios are geometric means over the repeats.\n",
            _busy_table(findings.busy),
            _verdict(findings.broken),
        ]
    )


def _setting(run: dict[str, Any]) -> str:
    machine, noise, plan = run["machine"], run["noise"], run["plan"]
    versions = {**run["versions"], "optimum-benchmark": run["peer_versions"]["optimum-benchmark"]}
    theirs = ", ".join(f"{name} {v}" for name, v in run["peer_versions"].items() if name != "optimum-benchmark")
    reasons = f" ({'; '.join(noise['reasons'])})" if noise["reasons"] else ""
    return (
        f"{machine['cpu_model']}, {machine['cores']} cores, {machine['os']}; "
        f"{', '.join(f'{name} {v}' for name, v in versions.items())} (in an environment of its own with {theirs}). "
        f"Noise grade {noise['grade']}{reasons}. {_runs(run)} of {plan['repeats']} repeats; in each, the processes of all "
        f"harnesses come in random order, and each times for {plan['seconds']:g} s.\n"
    )


def _runs(run: dict[str, Any]) -> str:
    return "One run" if run.get("runs", 1) == 1 else f"{run['runs']} runs together"


def _agreement_table(rows: tuple[Agreement, ...]) -> str:
    lines = [
        f"| peer | threads | our median [{LEVEL:.0%} interval] (ms) | their median (ms) | ours / theirs "
        f"| noise of one measurement | agree | their median in our interval | expected if they time as we do |",
        "|---|--:|--:|--:|--:|--:|---|--:|--:|",
    ]
    for row in rows:
        bounds = f" [{row.interval_ms.low:.3f}, {row.interval_ms.high:.3f}]" if row.interval_ms else ""
        lines.append(
            f"| {NAMES[row.peer]} | {row.threads} | {row.ours_ms:.3f}{bounds} | {row.theirs_ms:.3f} "
            f"| {_ratio(row.ratio, 4)} | {percent(row.noise)} | {_yes(row.agrees)} "
            f"| {row.inside} of {row.repeats} ({row.inside / row.repeats:.0%}) | {row.expected:.0%} |"
        )
    return "\n".join(lines) + "\n"


def _expectation(findings: Findings, plan: dict[str, Any]) -> str:
    low, high = (f(row.expected for row in findings.agreements) for f in (min, max))
    chances = " and ".join(f"{findings.chance_to_fall_short(peer):.0%} ({NAMES[peer]})" for peer in PEERS)
    blocks = max(row.most_calls_per_time for row in findings.agreements)
    blocked = f" In some processes torch timed blocks of {blocks} calls and kept their means." if blocks > 1 else ""
    return (
        f"The interval is to hold the true median with at least {LEVEL:.0%}. Their median is not the true one but scatters "
        f"as well, {(plan['rounds'] / plan['peer_processes']) ** 0.5:.2f} times as far as ours where both time alike, so it "
        "must be expected "
        "inside less often than the truth. The last column says how often: the processes of both, dealt anew at random "
        f"within each repeat, give {low:.0%} to {high:.0%}. Required: {LEAST_SHARE:.0%} of the repeats for each peer, both "
        f"numbers of threads together, which a peer that times exactly as we do misses by chance in {chances} of such runs; "
        "and a difference below the half-width of the interval of one of our measurements (*noise*) and below "
        f"{LARGEST_DIFFERENCE:.0%}, so that a noisy machine does not make it easy. What this run could have seen is the "
        "interval of *ours / theirs*."
        f"{blocked}\n"
    )


def _overhead_table(findings: Findings) -> str:
    lines = [
        "| call | harness | per call, mean of a loop [interval] (µs) | median (µs) | added to the reported time (µs) "
        "| calls per time | start of a turn (ms) |",
        "|--:|---|--:|--:|--:|--:|--:|",
    ]
    for row in findings.overheads:
        bounds = f" [{row.interval_us.low:.2f}, {row.interval_us.high:.2f}]" if row.interval_us else ""
        start = f"{row.turn_start_ms:.2f}" if row.turn_start_ms is not None else "-"
        lines.append(
            f"| {WORKLOADS[row.workload]} | {NAMES[row.harness]} | {row.per_call_us:.2f}{bounds} | {row.median_us:.2f} "
            f"| {row.added_us:.2f} | {row.calls_per_time:,} | {start} |"
        )
    return "\n".join(lines) + "\n"


def _overhead_text(findings: Findings) -> str:
    blocks: list[Overhead] = [row for row in findings.overheads if row.calls_per_time > 1]
    said = "".join(
        f"For calls of {WORKLOADS[row.workload]}, {NAMES[row.harness]} times blocks of {row.calls_per_time:,} and keeps no "
        "time of a single call, so it spends less than anything that does; our overhead is above it there. "
        for row in blocks
    )
    return (
        f"{said}Required where a harness takes one time per call: ours is not above theirs. A turn of ours also has a start "
        "(garbage collection, and for short calls one untimed call, which is not counted here).\n"
    )


def _busy_table(rows: tuple[BusyParent, ...]) -> str:
    lines = [
        "| threads | parent blocks (ms) | parent busy-waits (ms) | busy / blocked | busy / EffBench "
        "| core used by the blocked parent | by the busy parent |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        lines.append(
            f"| {row.threads} | {row.blocked_ms:.3f} | {row.busy_ms:.3f} | {_ratio(row.to_blocked, 3)} "
            f"| {_ratio(row.to_ours, 3)} | {row.blocked_share:.1%} | {row.busy_share:.0%} |"
        )
    return "\n".join(lines) + "\n"


def _verdict(sentences: list[str]) -> str:
    if not sentences:
        return "All requirements hold in this run.\n"
    return "\n".join(["**What does not hold in this run:**\n", *(f"- {sentence}" for sentence in sentences), ""])


def _ratio(ratio: Ratio, digits: int) -> str:
    if ratio.interval is None:
        return f"{ratio.value:.{digits}f}"
    return f"{ratio.value:.{digits}f} [{ratio.interval.low:.{digits}f}, {ratio.interval.high:.{digits}f}]"


def _yes(holds: bool) -> str:
    return "yes" if holds else "**no**"
