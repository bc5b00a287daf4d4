"""``effbench validate``: is the suite right? Nothing is run and no device is touched."""

from __future__ import annotations

from effbench.cli.run import SetOption, SuiteArgument
from effbench.cli.saying import say


def validate(suite: SuiteArgument, set_: SetOption = None) -> None:
    """Check a suite: schema, names, parameters, systems and prompts."""
    from effbench.runner.plan import make_plan
    from effbench.suite import find_suite, load_suite

    plan = make_plan(load_suite(find_suite(suite), set_ or ()))
    samples = sum(len(task.samples) * len(plan.suite.seeds) * len(task.cells) for task in plan.tasks)
    say(f"{suite}: valid: {len(plan.tasks)} tasks, {len(plan.cells)} cells, {samples} samples in all")
