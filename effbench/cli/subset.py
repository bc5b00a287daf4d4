"""``effbench subset``: condensed subsets with a certificate, built from the scores in a store."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(
    help="Condensed subsets: few samples that rank methods as all do, with a certificate.", no_args_is_help=True
)

From = Annotated[Path, typer.Option("--from", help="Store with scores per sample.", show_default=False)]
Metrics = Annotated[
    list[str], typer.Option("--metric", help="Score to rank by; repeatable: one list for all.", show_default=False)
]
OwnMetrics = Annotated[
    list[str] | None, typer.Option("--metric", help="Score; repeatable. Default: the subset's own.", show_default=False)
]
Task = Annotated[str, typer.Option("--task", help="Glob over the store's tasks; all their cells are methods.")]
Missing = Annotated[
    Literal["refuse", "drop-samples", "drop-methods"],
    typer.Option("--missing", help="What to do where scores are missing."),
]
Manifest = Annotated[
    str, typer.Argument(metavar="SUBSET", help="Name of a subset that ships, or a YAML file.", show_default=False)
]


@app.command()
def build(
    store: From,
    metric: Metrics,
    size: Annotated[int, typer.Option(help="Samples in the subset.", show_default=False)],
    task: Task = "*",
    selector: Annotated[str, typer.Option(help="How to choose; `effbench subset selectors` lists them.")] = "soft",
    seed: Annotated[int, typer.Option(help="Seed of the choice.")] = 0,
    name: Annotated[
        str | None, typer.Option(help="Name of the subset; default: the store's suite and the size.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; default: NAME.yaml.")] = None,
    missing: Missing = "refuse",
) -> None:
    """Choose a subset and certify how well its kind ranks methods that it was not chosen on."""
    from effbench.store import read_store
    from effbench.subset.building import build as build_subset
    from effbench.subset.manifest import write_manifest
    from effbench.subset.selectors import find_selector
    from effbench.subset.stores import store_matrices

    view = read_store(store)
    found = store_matrices(view, metric, task, missing)
    named = name or f"{view.suite}-{size}"
    manifest = build_subset(
        found.matrices,
        find_selector(selector),
        size,
        seed,
        named,
        found.seconds_per_sample,
        source=f"suite {view.suite}",
    )
    path = out or Path(f"{named}.yaml")
    write_manifest(path, manifest)
    for held in manifest.certificate:
        print(held.sentence)
        regret = f"top-1 regret {held.regret:.2f} spreads"
        optimism = f"optimism {held.searched_tau - held.tau:.3f}"
        print(
            f"  on the methods searched: {held.searched_tau:.3f} ({optimism}); {regret}; worst fold {held.worst_tau:.3f}"
        )
    print(
        f"{path}: {len(manifest.ids)} of {len(found.matrices[0].samples)} samples, {len(found.matrices[0].methods)} methods"
    )


@app.command()
def selectors() -> None:
    """List the ways to choose."""
    from effbench.subset.selectors import SELECTORS

    for name, selector in SELECTORS.items():
        print(f"{name:12} {(type(selector).__doc__ or '').splitlines()[0]}")


@app.command()
def check(
    subset: Manifest, store: From, metric: OwnMetrics = None, task: Task = "*", missing: Missing = "refuse"
) -> None:
    """Check that a subset's certificate holds for the methods of a store; exit code 3 where it has expired."""
    from effbench.store import read_store
    from effbench.subset.building import why_expired
    from effbench.subset.manifest import find_subset
    from effbench.subset.stores import store_matrices

    manifest = find_subset(subset)
    matrix = store_matrices(read_store(store), metric or manifest.metrics, task, missing).matrices[0]
    reason = why_expired(manifest, matrix)
    for held in manifest.certificate:
        print(held.sentence)
    if reason is not None:
        print(f"{manifest.name}: the certificate does not hold here: {reason}", file=sys.stderr)
        raise typer.Exit(3)
    print(f"{manifest.name}: the certificate holds for these {len(matrix.methods)} methods")


@app.command()
def apply(
    subset: Manifest, store: From, metric: OwnMetrics = None, task: Task = "*", missing: Missing = "refuse"
) -> None:
    """Show what a subset says of a store's methods beside what all their samples say."""
    from effbench.store import read_store
    from effbench.subset.building import apply as apply_subset
    from effbench.subset.manifest import find_subset
    from effbench.subset.stores import store_matrices

    manifest = find_subset(subset)
    for matrix in store_matrices(read_store(store), metric or manifest.metrics, task, missing).matrices:
        applied = apply_subset(manifest, matrix)
        width = max(map(len, applied.methods))
        print(f"{applied.metric}: tau {applied.tau:.3f} over {len(applied.methods)} methods")
        if any(applied.is_new) and applied.new_tau is not None:
            print(f"  over the {sum(applied.is_new)} that the certificate does not know: {applied.new_tau:.3f}")
        print(f"  {'method':{width}}  {'subset':>10}  {'all':>10}")
        for row in (-applied.truth if matrix.higher_is_better else applied.truth).argsort(kind="stable"):
            mark = " *" if applied.is_new[row] else ""
            print(f"  {applied.methods[row]:{width}}  {applied.estimate[row]:10.4f}  {applied.truth[row]:10.4f}{mark}")


@app.command(name="import")
def import_(
    folder: Annotated[Path, typer.Argument(help="FlashEval's `representative_subset`, or a folder in it.")],
    scores: Annotated[
        Path | None, typer.Option(help="FlashEval's `Image_score/<dataset>`: checks the labels.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the manifests.")] = Path(),
) -> None:
    """Import FlashEval's released subsets; labels that the scores contradict are reported and corrected."""
    from effbench.subset.importing import import_release

    for line in import_release(folder, scores, out):
        print(line)


@app.command()
def export(
    subset: Manifest,
    out: Annotated[
        Path, typer.Option(help="File to write: .json (one object per line), .csv or .txt (ids).", show_default=False)
    ],
) -> None:
    """Write a subset's ids and weights for other tools."""
    from effbench.subset.importing import export_subset
    from effbench.subset.manifest import find_subset

    export_subset(find_subset(subset), out)
    print(out)
