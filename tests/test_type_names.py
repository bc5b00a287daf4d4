"""System types are named so that two of one class name can be told apart, and shortly where they need not be."""

import pytest

from effbench.api import System
from effbench.contract.type_names import named_apart


class Plain(System):
    pass


def same_name(module):
    return type("Estimator", (System,), {"__module__": module})


ONE, OTHER = same_name("effbench_one.task"), same_name("effbench_other.task")


@pytest.mark.parametrize(
    ("expected", "given", "texts"),
    [
        ((Plain, ONE), Plain, ("Plain, Estimator", "Plain")),
        ((ONE,), ONE, ("Estimator", "Estimator")),
        ((Plain, ONE), OTHER, ("Plain, effbench_one.task.Estimator", "effbench_other.task.Estimator")),
        ((ONE, OTHER), Plain, ("effbench_one.task.Estimator, effbench_other.task.Estimator", "Plain")),
    ],
)
def test_classes_of_one_name_are_told_apart_by_their_modules(expected, given, texts):
    assert named_apart(expected, given) == texts
