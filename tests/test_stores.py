"""A path stands for the store at it, or for all below it."""

from effbench.stores import stores_below


def test_a_store_is_itself_and_a_folder_is_the_stores_below_it(tmp_path):
    for name in ("results/b/c", "results/a", "results/a/cells/nested", ".hidden/x", "other"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("results/b/c", "results/a", "results/a/cells/nested", ".hidden/x"):
        (tmp_path / name / "suite.lock.yaml").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert stores_below(tmp_path / "results" / "a") == [tmp_path / "results" / "a"]
    assert stores_below(tmp_path) == [tmp_path / "results" / "a", tmp_path / "results" / "b" / "c"]
    assert stores_below(tmp_path / "other") == [tmp_path / "other"], "whoever reads it says what is wrong with it"
    assert stores_below(tmp_path / "nothing") == [tmp_path / "nothing"]
