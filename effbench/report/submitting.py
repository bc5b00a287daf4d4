"""How a method gets onto a board, in short; ``docs/submitting.md`` has every step, and a test holds the two together."""

from __future__ import annotations

from typing import NamedTuple

SUBMITTING_PAGE = "docs/submitting.md"
"""Where all of it stands, in the repository."""


class SubmittingStep(NamedTuple):
    """What to do, in a sentence, and the commands that do it."""

    what: str
    commands: str


SUBMITTING_STEPS = (
    SubmittingStep(
        "Begin with a package of one method, which works as it is, and write your method into it.",
        'effbench new method half-steps\npip install -e "effbench-half-steps[test]"',
    ),
    SubmittingStep(
        "Run a suite that has it and a reference; outputs are kept with `output: {outputs: all}`.",
        "effbench run suite.yaml",
    ),
    SubmittingStep(
        "Pack its results into a folder, which is checked on the way.",
        "effbench submit results/mine --method half-steps --licence CC-BY-4.0 --by YOUR-LOGIN",
    ),
    SubmittingStep(
        "Have somebody else make the numbers again, as far as they can, and look at it on a board.",
        "effbench verify submissions/half-steps --level remeasure\neffbench board submissions/half-steps",
    ),
)
