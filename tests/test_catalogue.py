"""The catalogue of our numbers: what it says of one number agrees with what it says of the others."""

from effbench.catalogue import (
    CATALOGUE,
    HEADLINE,
    MEDIAN,
    SPEEDUP,
    companion_of,
    entry_of,
    is_exact,
    is_ours,
    is_timed,
)


def test_names_that_entries_point_to_are_entries():
    for entry in CATALOGUE.values():
        assert entry.companion in ("", *CATALOGUE) and entry.same_as in ("", *CATALOGUE)
        assert not (entry.is_exact and (entry.companion or entry.is_timed)), entry.name
    for names in HEADLINE:
        assert names and all(CATALOGUE[name].short for name in names)
        assert len({(CATALOGUE[name].axis, CATALOGUE[name].short) for name in names}) == 1


def test_a_short_heading_is_that_of_the_headline():
    assert {name for names in HEADLINE for name in names} == {e.name for e in CATALOGUE.values() if e.short}


def test_a_batch_size_keeps_the_entry_and_a_slice_or_a_metric_has_none():
    assert entry_of(f"{MEDIAN}@b8") is CATALOGUE[MEDIAN]
    assert companion_of(f"{MEDIAN}@b8") == f"{SPEEDUP}@b8" and companion_of(MEDIAN) == SPEEDUP
    assert companion_of("peak_rss_mb") == companion_of("fid") == ""
    assert is_timed(f"{MEDIAN}@b8") and not is_timed(SPEEDUP) and not is_timed("fid")
    assert is_exact("gflop_per_sample") and not is_exact(MEDIAN)
    assert not is_ours("speedup[class=a]") and not is_ours("accuracy[at=@b8]")
