import numpy as np
import pytest

from effbench.errors import BadInput
from effbench.nas.cells import EDGES, OPS, canonical, classes, code_of, every_code, is_connected, live_edges, name_of

CONV3 = (3,) * 6
"""A 3x3 convolution on every edge."""


def benchmark_form(code):
    """NAS-Bench-201's own text of a cell's function, by its description: skips contract, nothing plus something stays."""
    nodes = {0: "0"}
    for to in (1, 2, 3):
        brought = []
        for op, (end, source) in zip(code, EDGES):
            if end == to:
                dead = op == 0 or nodes[source] == "#"
                brought.append("#" if dead else nodes[source] if op == 1 else f"({nodes[source]})@{op}")
        nodes[to] = "+".join(sorted(brought))
    return nodes[3]


def computed(code, ops, x):
    """What a cell makes of x where an operation is some function of numbers; nothing is 0."""
    nodes = [x, 0.0, 0.0, 0.0]
    seen = [True, False, False, False]
    for op, (to, source) in zip(code, EDGES):
        if op and seen[source]:
            nodes[to] = nodes[to] + (nodes[source] if op == 1 else ops[op](nodes[source]))
            seen[to] = True
    return nodes[3]


def test_every_cell_is_named_and_read_back():
    codes = every_code()
    assert len(set(codes)) == 15625
    assert all(code_of(name_of(code)) == code for code in codes)
    assert (
        name_of((3, 0, 1, 2, 4, 1))
        == "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|avg_pool_3x3~1|skip_connect~2|"
    )


def test_isomorphs_are_those_cells_that_compute_the_same():
    """With generic functions for the operations, as many values come out as there are classes, and one per class."""
    ops = {op: (lambda v, a=a: a * v + np.sin(v / a)) for op, a in zip((2, 3, 4), (0.7, 1.3, 2.1))}
    found = classes()
    values = {form: {round(float(computed(code, ops, 0.6)), 10) for code in codes} for form, codes in found.items()}
    assert all(len(own) == 1 for own in values.values())
    assert values[""] == {0.0}
    assert len(set().union(*values.values())) == len(found) == 4930


def test_our_classes_join_the_6466_of_the_benchmark():
    of_theirs = {}
    for code in every_code():
        of_theirs.setdefault(benchmark_form(code), set()).add(canonical(code))
    assert len(of_theirs) == 6466
    assert all(len(ours) == 1 for ours in of_theirs.values())


def test_canonical_form_by_hand():
    assert canonical((1, 0, 0, 1, 0, 0)) == "0"
    assert canonical((1, 1, 0, 0, 1, 1)) == "0+0"
    assert canonical((3, 0, 0, 0, 2, 0)) == "nor_conv_1x1(nor_conv_3x3(0))"
    assert canonical((0, 3, 0, 0, 0, 2)) == canonical((3, 0, 0, 0, 2, 0))
    assert canonical((4, 0, 0, 0, 0, 0)) == ""


def test_only_edges_between_input_and_output_are_live():
    assert live_edges(CONV3) == list(range(6))
    assert live_edges((3, 3, 3, 3, 0, 0)) == [3]  # two nodes that nobody reads
    assert live_edges((0, 3, 3, 0, 3, 3)) == [1, 5]  # a node that nothing reaches
    assert not is_connected((3, 3, 3, 0, 0, 0))
    assert len(classes()[""]) == sum(not is_connected(code) for code in every_code())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("|nor_conv_3x3~0|+|none~0|none~1|", "of another space: want 3 nodes"),
        (name_of(CONV3).replace("nor_conv_3x3~2", "sep_conv_3x3~2"), "no operation 'sep_conv_3x3'"),
        (name_of(CONV3).replace("nor_conv_3x3~2", "nor_conv_3x3~1"), "where one from node 2 is due"),
        ("", "of another space"),
    ],
)
def test_a_name_of_another_space_is_refused(name, said):
    with pytest.raises(BadInput, match=said):
        code_of(name)


@pytest.mark.parametrize("code", [(1, 2, 3), (0, 1, 2, 3, 4, 5), (-1, 0, 0, 0, 0, 0)])
def test_a_code_of_another_space_is_refused(code):
    with pytest.raises(BadInput, match="want 6 operations from 0 to 4"):
        name_of(code)


def test_operations_keep_the_order_that_encoders_rely_on():
    assert OPS[0] == "none"
