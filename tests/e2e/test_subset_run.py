"""Subsets of a real store through the command line: built and certified, applied, expired when the methods change."""

from support import suite_text

from effbench.subset.manifest import read_manifest

BETAS = [0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95]


def test_a_subset_is_built_applied_and_expires_with_its_methods(cli, write_suite):
    def run(betas):
        suite = write_suite(suite_text(methods=[f"{{use: toy-momentum, matrix: {{beta: {betas}}}}}"], limit=12))
        assert cli("run", suite).code == 0

    run(BETAS[:9])
    asked = ("--from", "results/small", "--metric", "gap")
    built = cli("subset", "build", *asked, "--size", 4, "--name", "four")
    assert built.code == 0 and "held-out tau" in built.out and "4 of 12 samples, 10 methods" in built.out
    manifest = read_manifest(cli.cwd / "four.yaml")
    assert len(manifest.ids) == 4 and manifest.chosen.selector == "soft" and len(manifest.pool.methods) == 10
    applied = cli("subset", "apply", "four.yaml", "--from", "results/small")
    assert applied.code == 0 and applied.out.startswith("gap: tau ") and applied.out.count("minimise/") == 10
    held = cli("subset", "check", "four.yaml", "--from", "results/small")
    assert held.code == 0 and "the certificate holds" in held.out

    run(BETAS)
    expired = cli("subset", "check", "four.yaml", "--from", "results/small")
    assert expired.code == 3 and "1 method is new" in expired.err
    assert "over the 1 that" not in cli("subset", "apply", "four.yaml", "--from", "results/small").out

    for wrong, said in (
        (("--metric", "gap", "--size", 13), "cannot be chosen from a pool of 12"),
        (("--metric", "gpa", "--size", 4), "no score per sample of 'gpa'; did you mean 'gap'"),
        (("--metric", "gap", "--size", 4, "--task", "minimize"), "did you mean 'minimise'"),
        (("--metric", "gap", "--size", 4, "--selector", "sofft"), "did you mean 'soft'"),
    ):
        refused = cli("subset", "build", "--from", "results/small", *wrong)
        assert refused.code == 2 and said in refused.err and len(refused.err.strip().splitlines()) == 1, refused.err


def test_too_few_methods_to_hold_any_out_is_one_sentence(cli, write_suite):
    suite = write_suite(suite_text(methods=["{use: toy-momentum, matrix: {beta: [0.1, 0.3, 0.5, 0.8]}}"]))
    assert cli("run", suite).code == 0
    refused = cli("subset", "build", "--from", "results/small", "--metric", "gap", "--size", 2)
    assert refused.code == 2 and "methods are too few to rank; at least 4 are needed" in refused.err
