"""The instruction set that is detected, forced and refused."""

import pytest

from effbench.kernels import isa


def test_a_smaller_one_can_be_forced_and_tells_its_bits(monkeypatch):
    monkeypatch.setenv(isa.VARIABLE, "portable")
    assert isa.current().name == "portable" and isa.activation_bits() == 8
    assert isa.activation_bits("avx2") == 7 and isa.activation_bits("avx512-vnni") == 8
    monkeypatch.delenv(isa.VARIABLE)
    assert isa.current().name == isa.detect()


def test_an_unknown_or_larger_one_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.setenv(isa.VARIABLE, "avx512_vnni")
    with pytest.raises(ValueError, match=r"EFFBENCH_ISA=avx512_vnni: no such .*did you mean 'avx512-vnni'\?$"):
        isa.current()
    monkeypatch.setattr(isa, "detect", lambda: "portable")
    isa._chosen.cache_clear()
    monkeypatch.setenv(isa.VARIABLE, "avx2")
    try:
        with pytest.raises(ValueError, match=r"EFFBENCH_ISA=avx2: this processor has no more than portable$"):
            isa.current()
    finally:
        isa._chosen.cache_clear()


@pytest.mark.parametrize(
    ("features", "name"),
    [
        ({"avx512f", "avx512bw", "avx512vl", "avx512vnni", "avx2", "fma"}, "avx512-vnni"),
        ({"avx512f", "avx512bw", "avx512vl", "avx512vnni", "avx2", "fma", "amx-int8", "amx-tile"}, "amx-int8"),
        ({"avx512f", "avx512bw", "avx512vl", "avx2", "fma"}, "avx2"),
        ({"avx2"}, "portable"),
        ({"neon", "dotprod"}, "portable"),
    ],
)
def test_what_is_detected(monkeypatch, features, name):
    import llvmlite.binding as llvm

    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: dict.fromkeys(features, True))
    monkeypatch.setattr(isa, "tiles_are_allowed", lambda: True)
    assert isa.detect() == name
    if name == "amx-int8":
        monkeypatch.setattr(isa, "tiles_are_allowed", lambda: False)
        assert isa.detect() == "avx512-vnni"


def test_only_products_of_linear_layers_know_tiles():
    assert isa.named("avx512-vnni").vectors == isa.named("amx-int8").vectors == "avx512-vnni"


def test_what_is_forced_to_avx2_knows_no_wider_vectors():
    assert "avx512" not in isa.named("avx2").features.replace("-avx512", "")
