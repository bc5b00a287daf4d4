"""``effbench subset``: condensed subsets with a certificate, built from the scores in a store or a file of scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from effbench.cli.saying import say, tell
from effbench.yamlscalar import LARGEST

if TYPE_CHECKING:
    from effbench.subset.stores import PoolScores

app = typer.Typer(
    help="Condensed subsets: few samples that rank methods as all do, with a certificate.",
    epilog="Example: effbench subset check emoji-50 --from results/quickstart",
    invoke_without_command=True,
)


@app.callback()
def _help(context: typer.Context) -> None:
    """Condensed subsets: few samples that rank methods as all do, with a certificate."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), nl=False)


From = Annotated[
    Path,
    typer.Option(
        "--from",
        help="Store with scores per sample (a folder, or hf://...), or a file of scores (.npz).",
        show_default=False,
    ),
]
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
Prompts = Annotated[
    Path | None,
    typer.Option(help="YAML list of {id, prompt}: what `k-medoids` looks at.", show_default=False),
]
Manifest = Annotated[
    str, typer.Argument(metavar="SUBSET", help="Name of a subset that ships, or a YAML file.", show_default=False)
]


@app.command(epilog="Example: effbench subset build --from results/pool --metric alignment --size 50 --name mine-50")
def build(
    store: From,
    metric: Metrics,
    size: Annotated[int, typer.Option(min=1, help="Samples in the subset.", show_default=False)],
    task: Task = "*",
    selector: Annotated[str, typer.Option(help="How to choose; `effbench subset selectors` lists them.")] = "soft",
    seed: Annotated[int, typer.Option(min=0, max=LARGEST, help="Seed of the choice.")] = 0,
    name: Annotated[
        str | None, typer.Option(help="Name of the subset; default: the store's suite and the size.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; default: NAME.yaml.")] = None,
    missing: Missing = "refuse",
    prompts: Prompts = None,
    sets: Annotated[
        int | None, typer.Option(help="Sets per round of the frequency search (20000; FlashEval: 3000000).", min=1)
    ] = None,
    top: Annotated[
        int | None, typer.Option(help="Sets that it keeps per round (1000; FlashEval: 100000).", min=1)
    ] = None,
    rounds: Annotated[int | None, typer.Option(help="Its rounds (12).", min=1)] = None,
    searches: Annotated[
        int | None,
        typer.Option(help="Searches that the certificate may take (100, fewer where they are large).", min=2),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Folder from which an interrupted frequency search goes on.", show_default=False)
    ] = None,
) -> None:
    """Choose a subset and certify how well its kind ranks methods that it was not chosen on."""
    from effbench.cli.searching import searching
    from effbench.subset.building import build as build_subset
    from effbench.subset.building import searches_of
    from effbench.subset.manifest import write_manifest

    found = _scores(store, metric, task, missing, prompts)
    named = name or f"{found.source.removeprefix('suite ')}-{size}"
    asked = {"sets": sets, "top": top, "rounds": rounds, "checkpoint": checkpoint}
    with searching(selector, asked, searches_of(found.matrices, size, searches)) as chooser:
        manifest = build_subset(
            found.matrices, chooser, size, seed, named, found.seconds_per_sample, searches, source=found.source
        )
    path = out or Path(f"{named}.yaml")
    write_manifest(path, manifest)
    for held in manifest.certificate:
        say(held.sentence)
        optimism = f"optimism {held.searched_tau - held.tau:.3f}"
        worst = "" if held.worst_tau is None else f"; worst family {held.worst_tau:.3f}"
        lost = f"taking the better-looking of two loses {held.pair_regret:.3f} spreads on average"
        say(f"  on the methods searched: {held.searched_tau:.3f} ({optimism}); {lost}{worst}")
    for more in manifest.more_methods:
        say(more.sentence)
    say(
        f"{path}: {len(manifest.ids)} of {len(found.matrices[0].samples)} samples, {len(found.matrices[0].methods)} methods"
    )


@app.command(epilog="Example: effbench subset scores --from results/pool --metric alignment --out pool.npz")
def scores(
    store: From,
    metric: Metrics,
    out: Annotated[Path, typer.Option(help="File to write (.npz).", show_default=False)],
    task: Task = "*",
    missing: Missing = "refuse",
    prompts: Prompts = None,
) -> None:
    """Write a store's scores per method and sample to one small file, which ``--from`` takes as well."""
    from effbench.errors import BadInput
    from effbench.subset.scores_file import SUFFIX, write_scores

    if out.suffix != SUFFIX:
        raise BadInput(f"{out}: a file of scores ends in {SUFFIX}")
    found = _scores(store, metric, task, missing, prompts)
    write_scores(out, found)
    first = found.matrices[0]
    say(f"{out}: {len(found.matrices)} metrics x {len(first.methods)} methods x {len(first.samples)} samples")


@app.command(epilog="Example: effbench subset selectors")
def selectors() -> None:
    """List the ways to choose."""
    from effbench.subset.selectors import SELECTORS

    for name, selector in SELECTORS.items():
        say(f"{name:12} {(type(selector).__doc__ or '').splitlines()[0]}")


@app.command(epilog="Example: effbench subset check emoji-50 --from results/pool")
def check(
    subset: Manifest, store: From, metric: OwnMetrics = None, task: Task = "*", missing: Missing = "refuse"
) -> None:
    """Check that a subset's certificate holds for the methods of a store; exit code 3 where it has expired."""
    from effbench.subset.building import why_expired
    from effbench.subset.manifest import find_subset

    manifest = find_subset(subset)
    matrix = _scores(store, metric or manifest.metrics, task, missing).matrices[0]
    reason = why_expired(manifest, matrix)
    for held in manifest.certificate:
        say(held.sentence)
    if reason is not None:
        tell(f"{manifest.name}: the certificate does not hold here: {reason}")
        raise typer.Exit(3)
    say(f"{manifest.name}: the certificate holds for these {len(matrix.methods)} methods")


@app.command(epilog="Example: effbench subset apply emoji-50 --from pool.npz")
def apply(
    subset: Manifest, store: From, metric: OwnMetrics = None, task: Task = "*", missing: Missing = "refuse"
) -> None:
    """Show what a subset says of a store's methods beside what all their samples say."""
    from effbench.subset.building import apply as apply_subset
    from effbench.subset.manifest import find_subset
    from effbench.subset.rounding import decimals_for

    manifest = find_subset(subset)
    for matrix in _scores(store, metric or manifest.metrics, task, missing).matrices:
        applied = apply_subset(manifest, matrix)
        width = max(map(len, applied.methods))
        decimals = decimals_for(float(applied.truth.std()))
        say(f"{applied.metric}: tau {applied.tau:.3f} over {len(applied.methods)} methods")
        if any(applied.is_new) and applied.new_tau is not None:
            say(f"  over the {sum(applied.is_new)} that the certificate does not know: {applied.new_tau:.3f}")
        say(f"  {'method':{width}}  {'subset':>10}  {'all':>10}")
        for row in (-applied.truth if matrix.higher_is_better else applied.truth).argsort(kind="stable"):
            mark = " *" if applied.is_new[row] else ""
            ours, theirs = (f"{means[row]:10.{decimals}f}" for means in (applied.estimate, applied.truth))
            say(f"  {applied.methods[row]:{width}}  {ours}  {theirs}{mark}")


@app.command(name="import", epilog="Example: effbench subset import representative_subset --out subsets")
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
        say(line)


@app.command(epilog="Example: effbench subset export emoji-50 --out emoji-50.csv")
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
    say(str(out))


def _scores(source: Path, metrics: Sequence[str], task: str, missing: Any, prompts: Path | None = None) -> PoolScores:
    """Return the matrices of a store's folder or of a file of scores."""
    from effbench.subset.scores_file import SUFFIX, read_scores_file
    from effbench.subset.stores import store_matrices
    from effbench.subset.texts import with_texts

    if source.suffix == SUFFIX:
        found = read_scores_file(source, metrics, task, missing)
    else:
        from effbench.hub.stores import local_store
        from effbench.store import read_store

        found = store_matrices(read_store(local_store(source)), metrics, task, missing)
    return found if prompts is None else with_texts(found, prompts)
