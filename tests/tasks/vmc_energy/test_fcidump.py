"""FCIDUMP: what is written is read back to the digit; what is broken is refused in a sentence."""

import gzip
import os
import re

import numpy as np
import pytest
from fcidumps import write_fcidump
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from effbench.api import PluginError
from effbench.kernels.local_energy.integrals import random_integrals
from effbench.tasks.vmc_energy.fcidump import read_fcidump

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
        ("0.70        2    2    2    2", "nan         2    2    2    2", "line 8: .* holds nan, which is no number"),
        (
            "0.66        2    2    1    1",
            "0.66   2 2 1 1\n 0.61   1 1 2 2",
            "line 8: 0.61 where a line before says 0.66",
        ),
        ("0.66        2    2    1    1", "0.66   2 1 1 1", "line 7: the integral 2 1 1 1 is not zero"),
        ("ORBSYM=1,2", "ORBSYM=1,2,1", "ORBSYM lists 3 orbitals, NORB is 2"),
        ("NELEC=  2", "NELEC=  3", "NORB=2, NELEC=3, MS2=0 is no state"),
        ("MS2= 0", "MS2= 4", "is no state"),
        ("NORB=  2,", "", "the header names no NORB"),
        ("NORB=  2,", "NORB=2.5,", "NORB=2.5 is not one whole number"),
        ("NORB=  2,", "NORB=2,NORB=3,", "the header says NORB twice"),
        (
            "NORB=  2,",
            "NORB=400,",
            r"NORB=400: its integrals need about 614 GB, and \d+ GB are free",
        ),  # case fcidump-variants
        ("NELEC=  2,MS2= 0", "NELEC=3,MS2=3", "is no state"),  # three alpha electrons in two orbitals
        ("NELEC=  2", "NELEC= 0", "is no state"),
        ("&FCI", "&FCO", "not an FCIDUMP: it does not begin with &FCI"),
        ("ISYM=1", "IUHF=1", "unrestricted"),
        ("0.71        0", "5.0 0 0 0 0\n 0.71        0", "line 13: the core energy is 0.71, and line 12 says 5.0"),
        ("0.67D+00    1", "(0.67,0.0)  1", "line 5: .* is a complex integral"),
        ("0.67D+00    1", "1_0.67  1", "line 5: .* is not a value and four orbitals"),
        ("0.67D+00    1", "1e999  1", "line 5: .* no number that a computer holds"),
        ("0.67D+00    1", "********  1", "line 5: .*, which is no number"),
        (" -1.25        1    1    0    0\n -0.47        2    2    0    0\n", "", "no one-electron integral"),
        ("2    2    0    0\n", "2    2    0    0\n -0.48  2 2 0 0\n", "line 11: -0.48 where a line before says -0.47"),
        ("ISYM=1", "ISYM=1,UHF=.TRUE.", "unrestricted"),
        ("NORB=  2,", "NORB=3,", "no integral names orbital 3 of NORB=3"),
        (" &END\n", " &END 0.3 2 1 0 0\n", "line 4: text behind the end of the header"),
    ],
)
def test_what_is_broken_is_refused_in_a_sentence(tmp_path, old, new, message):
    assert old in SMALL
    with pytest.raises(PluginError, match=message):
        read(tmp_path, SMALL.replace(old, new))


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path):
    (tmp_path / "b").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")  # nobody will ever write to it
    (tmp_path / "packed").write_bytes(gzip.compress(SMALL.encode()))
    for name, why in (("a", ""), ("b", ""), ("folder", ""), ("pipe", "no regular file"), ("packed", "unpack it first")):
        with pytest.raises(PluginError, match=f"cannot be read as FCIDUMP: .*{why}"):
            read_fcidump(tmp_path / name)


DIALECTS = {
    "end": [(" &END", " /"), (" &END", " $END"), (" &END", " &end")],
    "start": [(" &FCI", "&fci"), (" &FCI", "$FCI"), (" &FCI", "\ufeff &FCI")],
    "names": [("NORB=", "norb ="), ("MS2= 0,", ""), ("ISYM=1,", "ISYM=1,IUHF=0,UHF=.FALSE.,PNTGRP='D2H/',")],
    "irreps": [  # cases fcidump-variants and orbsym-of-pyscf
        ("ORBSYM=1,2", "ORBSYM=0,1"), ("ORBSYM=1,2", "ORBSYM=0 5"), ("ORBSYM=1,2", "ORBSYM=0,15"),
        ("ORBSYM=1,2", "orbsym = 1\n 2"),
        ("ORBSYM=1,2,", ""), ("ORBSYM=1,2", "ORBSYM=2*1"), ("ORBSYM=1,2", "ORBSYM=-1,1"), ("ISYM=1", "ISYM=1 ! ORBSYM=1,2,3"),
    ],
    "numbers": [("0.67D+00", "6.7d-1"), ("0.67D+00", "+.67"), ("0.67D+00", "0.67E0"), ("0.67D+00", "0.67Q+00")],
    "body": [
        ("0.71        0    0    0    0", "0.71,4*0"), ("0.18        2    1    2    1", "0.18 1 2 2 1\n\n 0.18\t2 1 1 2"),
        (" -0.58        1    0    0    0\n", ""), ("0.71        0", "0.71 0 0 0 0\n 0.71 0"),
        ("0.66 ", "0.66 1 1 2 2\n 0.66 "),
        ("  0.67D+00", "  1.0-104 2 1 1 1\n  0.67D+00"),
    ],
    "ends of lines": [("\n", "\r\n"), ("\n", "\r")],
}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), [change for changes in DIALECTS.values() for change in changes])
def test_every_dialect_says_the_same(tmp_path, old, new):
    assert old in SMALL
    (tmp_path / "FCIDUMP").write_bytes(SMALL.replace(old, new).encode())
    integrals = read_fcidump(tmp_path / "FCIDUMP")
    assert integrals.sha256 == read(tmp_path, SMALL).sha256


def test_pyscf_counts_irreps_from_0_and_a_wrong_one_is_still_found(tmp_path):
    """Case orbsym-of-pyscf: A1g, A1u, E1gx and so on of a linear molecule."""
    tools = pytest.importorskip("pyscf.tools.fcidump")
    from pyscf import gto, scf

    field = scf.RHF(gto.M(atom="N 0 0 0; N 0 0 1.1", basis="sto-3g", symmetry=True, verbose=0)).run(verbose=0)
    for name, molpro in (("zero", False), ("one", True)):
        tools.from_scf(field, str(tmp_path / name), molpro_orbsym=molpro)
    assert read_fcidump(tmp_path / "zero").sha256 == read_fcidump(tmp_path / "one").sha256
    text = (tmp_path / "zero").read_text()
    wrong = re.sub(r"ORBSYM=(\d),(\d)", r"ORBSYM=\2,\1", text)
    assert wrong != text
    (tmp_path / "zero").write_text(wrong)
    with pytest.raises(PluginError, match="though ORBSYM says"):
        read_fcidump(tmp_path / "zero")


WITHIN = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
LINES = SMALL.splitlines()


@WITHIN
@given(
    edits=st.lists(
        st.tuples(
            st.integers(0, len(SMALL) - 1), st.integers(0, 12),
            st.text("0123456789.-+eEdD*/&,= \n\r\t()NORBMS_naif!'\u2028\u0664\x00", max_size=8) | st.sampled_from(LINES),
        ),
        min_size=1, max_size=4,
    )
)  # fmt: skip
def test_no_text_gives_a_traceback_or_numbers_that_are_none(tmp_path, edits):
    text = SMALL
    for at, length, new in edits:
        text = text[:at] + new + text[at + length :]
    try:
        found = read(tmp_path, text)
    except PluginError as error:
        assert str(tmp_path) in str(error) and "\n" not in str(error)
        return
    n = found.orbitals
    assert found.one.shape == (n, n) and np.isfinite(found.one).all() and np.isfinite(found.two).all()
    assert 0 <= found.alpha <= n and 0 <= found.beta <= n and found.alpha + found.beta > 0
    assert np.array_equal(found.two, found.two.transpose(2, 3, 0, 1)) and np.array_equal(found.one, found.one.T)


@settings(WITHIN, max_examples=30)
@given(n=st.integers(1, 3), seed=st.integers(0, 10**6), share=st.sampled_from([0.0, 0.4, 1.0]), order=st.randoms())
def test_lines_may_come_in_any_order_and_by_any_name(tmp_path, n, seed, share, order):
    integrals = random_integrals(n, (seed % n) + 1, seed % (n + 1), seed, share)
    write_fcidump(tmp_path / "a", integrals)
    head, _, body = (tmp_path / "a").read_text().partition("&END\n")
    lines = []
    for line in body.splitlines():
        value, i, j, k, m = line.split()
        first, second = order.sample((i, j), 2), order.sample((k, m), 2)
        pairs = [first, second] if k == "0" else order.sample((first, second), 2)
        lines.append(" ".join([value.upper().replace("E", order.choice("eEdD")), *pairs[0], *pairs[1]]))
    order.shuffle(lines)
    (tmp_path / "b").write_text(head + "/\n" + "\n".join(lines) + "\n")
    again, first = read_fcidump(tmp_path / "b"), read_fcidump(tmp_path / "a")
    assert np.array_equal(again.two, integrals.two) and np.array_equal(again.one, integrals.one)
    assert again.core == first.core == integrals.core and (again.alpha, again.beta) == (integrals.alpha, integrals.beta)
