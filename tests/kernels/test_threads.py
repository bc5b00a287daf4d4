"""Kernels run on torch's own threads, as many as torch is set to."""

import pytest
import torch

from effbench.kernels import isa, threads
from effbench.kernels.emitter import Program
from effbench.kernels.machine_code import address_of


@pytest.fixture(scope="module")
def kernel():
    """Each thread adds 1 to the place of its number, and writes the team's size behind all places."""
    program = Program()
    with program.kernel("count", ("places", "size")) as (code, job):
        number, size = job.place_in_team()
        place = job["places"] + number * 8
        from effbench.kernels.emitter import I64

        code.store(code.load(I64, place) + 1, place)
        code.store(size, job["size"])
    return threads.Kernel(address_of("count", program.text(), isa.current()), 2)


def counted(kernel, team):
    places, size = torch.zeros(16, dtype=torch.int64), torch.zeros(1, dtype=torch.int64)
    kernel.run(team, places.data_ptr(), size.data_ptr())
    return places.tolist(), size.item()


@pytest.mark.parametrize("team", [1, 2, 3])
def test_each_thread_of_a_team_runs_once(kernel, team):
    places, size = counted(kernel, team)
    assert size == team and places == [1] * team + [0] * (16 - team)


def test_it_is_torchs_library_also_beside_others():
    """PySCF brings an OpenMP library of its own; which one answers is seen by whether torch's limit on threads is its."""
    import pyscf.lib  # noqa: F401 - loads it

    before = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            assert threads._library().omp_get_max_threads() == count
    finally:
        torch.set_num_threads(before)


def test_without_a_library_one_thread_does_all_and_a_sentence_says_so(monkeypatch):
    for function in (threads._library, threads.team):
        function.cache_clear()
    monkeypatch.setattr(threads, "TORCH_LIBRARIES", ("libnothing",))
    try:
        with pytest.warns(UserWarning, match="integer kernels run on one thread"):
            assert threads.team() == threads.NO_TEAM
        program = Program()
        with program.kernel("alone", ("number", "size")) as (code, job):
            number, size = job.place_in_team()
            code.store(number, job["number"])
            code.store(size, job["size"])
        alone = threads.Kernel(address_of("alone", program.text(), isa.current()), 2)
        number, size = (torch.full((1,), 9, dtype=torch.int64) for _ in range(2))
        alone.run(2, number.data_ptr(), size.data_ptr())
        assert (number.item(), size.item()) == (0, 1)
    finally:
        monkeypatch.undo()
        for function in (threads._library, threads.team):
            function.cache_clear()
