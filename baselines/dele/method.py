"""DELE and the networks that it is compared with: one expert, or none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from effbench.api import Artifact, Claim, Context, Fact, Method
from effbench.tasks.nas_ranking.system import RankingSystem
from effbench_baselines.dele.columns import by_agreement, checked
from effbench_baselines.dele.settings import RankingNetwork, encoder_of

PAPER = "arXiv 2302.00932 (AAAI 2023), abstract"


class Dele(Method):
    """Experts that learned to rank by one low-fidelity column each, weighed by a gate, tuned together on the labels."""

    name = "dele"
    accepts = (RankingSystem,)
    random_preparation = True
    tied_to = ("table", "labels")
    claims = (
        Claim(
            "Kendall's tau",
            0.7064,
            "",
            "NDS-ResNet, 25 labels; 0.2549 without low-fidelity experts",
            PAPER,
            number="kendall_tau",
            holds_for={"labels": 25},
            not_comparable="the space NDS-ResNet and its table are not here",
        ),
    )

    class Params(RankingNetwork):  # type: ignore[misc]
        """Parameters of the method, beside those of its networks."""

        columns: Annotated[
            tuple[str, ...], Field(description="Low-fidelity columns, one expert each; all of the table's where none.")
        ] = ()
        weighting: Annotated[
            Literal["gate", "static", "uniform"],
            Field(description="A gate that reads the architecture, learned weights that do not, or 1 / K."),
        ] = "gate"

    def prepare(self, system: RankingSystem, ctx: Context) -> Artifact:
        """Train the experts on their columns of the whole pool, then all on the labels that the seed draws."""
        from effbench_baselines.dele.experts import Shape
        from effbench_baselines.dele.predictor import train

        columns = checked(self.params.columns, system.pool)
        shape = Shape(encoder_of(self.params), self.params.hidden, len(columns), self.params.weighting)
        made: Artifact = train(shape, self.params, system.pool, columns, ctx)
        return made

    def apply(self, system: RankingSystem, artifact: Artifact) -> RankingSystem:
        """Return the system with the trained predictor."""
        return _applied(system, artifact, self.params, self.params.weighting)

    def facts(self, system: RankingSystem) -> Mapping[str, Fact]:
        """Return what labels and columns cost."""
        return system.spent()


class NasNetwork(Method):
    """One network, trained on the labels alone or on one low-fidelity column first: what DELE's experts are without it."""

    name = "nas-network"
    accepts = (RankingSystem,)
    random_preparation = True
    tied_to = ("table", "labels")

    class Params(RankingNetwork):  # type: ignore[misc]
        """Parameters of the method, beside those of its network."""

        pretrain_on: Annotated[
            str,
            Field(description="none, a low-fidelity column, or the best or worst of them by |tau| on the labels."),
        ] = "none"

    def prepare(self, system: RankingSystem, ctx: Context) -> Artifact:
        """Train on the column, if one is asked for, of the whole pool, then on the labels that the seed draws."""
        from effbench_baselines.dele.experts import Shape
        from effbench_baselines.dele.predictor import train

        asked, pool = self.params.pretrain_on, system.pool
        columns: list[str] = []
        compared: list[str] = []
        if asked in ("best", "worst"):
            checked((), pool)
            ranked = by_agreement(pool, pool.labels(ctx.seed))
            columns, compared = [ranked[0 if asked == "best" else -1]], ranked
        elif asked != "none":
            columns = checked((asked,), pool)
        shape = Shape(encoder_of(self.params), self.params.hidden, 1, "uniform")
        made = train(shape, self.params, pool, columns, ctx)
        return Artifact(made.tensors, {**made.config, "compared": compared})

    def apply(self, system: RankingSystem, artifact: Artifact) -> RankingSystem:
        """Return the system with the trained predictor."""
        return _applied(system, artifact, self.params, "uniform")

    def facts(self, system: RankingSystem) -> Mapping[str, Fact]:
        """Return what labels and the column cost."""
        return system.spent()


def _applied(
    system: RankingSystem, artifact: Artifact, params: RankingNetwork, weighting: Literal["gate", "static", "uniform"]
) -> RankingSystem:
    from dataclasses import replace

    from effbench_baselines.dele.experts import Shape
    from effbench_baselines.dele.predictor import restored

    shape = Shape(encoder_of(params), params.hidden, int(artifact.config["experts"]), weighting)
    return replace(system, predictor=restored(shape, artifact))
