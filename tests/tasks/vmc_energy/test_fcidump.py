"""FCIDUMP: what is written is read back to the digit; what is broken is refused in a sentence."""

import numpy as np
import pytest

from effbench.api import PluginError
from effbench.kernels.local_energy.integrals import random_integrals
from effbench.tasks.vmc_energy.fcidump import read_fcidump, write_fcidump

SMALL = """\
 &FCI NORB=  2,NELEC=  2,MS2= 0,
  ORBSYM=1,2,
  ISYM=1,
 &END
  0.67D+00    1    1    1    1
  0.18        2    1    2    1
  0.66        2    2    1    1
  0.70        2    2    2    2
 -1.25        1    1    0    0
 -0.47        2    2    0    0
 -0.58        1    0    0    0
  0.71        0    0    0    0
"""


def read(tmp_path, text):
    (tmp_path / "a.fcidump").write_text(text)
    return read_fcidump(tmp_path / "a.fcidump")


@pytest.mark.parametrize(("alpha", "beta"), [(2, 2), (3, 1), (4, 3)])
def test_what_is_written_is_read_back_to_the_digit(tmp_path, alpha, beta):
    integrals = random_integrals(5, alpha, beta, seed=alpha, share=0.6)
    write_fcidump(tmp_path / "a", integrals)
    again = read_fcidump(tmp_path / "a")
    assert again.sha256 == integrals.sha256 and (again.alpha, again.beta) == (alpha, beta)
    assert np.array_equal(again.two, integrals.two) and again.core == integrals.core


def test_other_programs_spelling_is_read(tmp_path):
    integrals = read(tmp_path, SMALL)
    assert (integrals.orbitals, integrals.alpha, integrals.beta, integrals.core) == (2, 1, 1, 0.71)
    assert integrals.two[0, 0, 0, 0] == 0.67 and integrals.one[0, 0] == -1.25
    assert {integrals.two[p] for p in [(0, 1, 0, 1), (1, 0, 0, 1), (0, 1, 1, 0), (1, 0, 1, 0)]} == {0.18}
    assert integrals.two[0, 0, 1, 1] == integrals.two[1, 1, 0, 0] == 0.66


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (" &END\n", "", "the header has no end"),
        ("  0.71        0    0    0    0\n", "", "no core energy .* truncated"),
        ("2    2    0    0\n", "2    2    0\n", "line 10: '-0.47        2    2    0' is not a value and four orbitals"),
        ("0.70        2", "0.7x        2", "line 8: .* is not a value and four orbitals"),
        ("0.70        2    2    2    2", "0.70        2    2    2    3", "line 8: .* beyond NORB=2"),
        ("0.70        2    2    2    2", "0.70        2    2    2    0", "line 8: .* neither 4, 2, 1 nor 0"),
        ("0.70        2    2    2    2", "nan         2    2    2    2", "or no number"),
        (
            "0.66        2    2    1    1",
            "0.66   2 2 1 1\n 0.61   1 1 2 2",
            "line 8: 0.61 where a line before says 0.66",
        ),
        ("0.66        2    2    1    1", "0.66   2 1 1 1", "the integral 1 1 1 2 is not zero"),
        ("ORBSYM=1,2", "ORBSYM=1,2,1", "ORBSYM lists 3 orbitals, NORB is 2"),
        ("NELEC=  2", "NELEC=  3", "NORB=2, NELEC=3, MS2=0 is no state"),
        ("MS2= 0", "MS2= 4", "is no state"),
        ("NORB=  2,", "", "the header names no NORB"),
        ("ISYM=1", "ISYM=1,UHF=.TRUE.", "unrestricted"),
    ],
)
def test_what_is_broken_is_refused_in_a_sentence(tmp_path, old, new, message):
    assert old in SMALL
    with pytest.raises(PluginError, match=message):
        read(tmp_path, SMALL.replace(old, new))


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path):
    (tmp_path / "b").write_bytes(b"\xff\xfe\x00")
    for name in ("a", "b"):
        with pytest.raises(PluginError, match="cannot be read as FCIDUMP"):
            read_fcidump(tmp_path / name)
