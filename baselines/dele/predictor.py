"""Networks of experts as predictors: made by training, kept as an artifact, and read back from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from effbench.api import Artifact, Context, Unsupported
from effbench.arrays import Array
from effbench.nas.spaces import CELLS
from effbench.tasks.nas_ranking.system import Architectures, LearningPool, Predictor
from effbench_baselines.dele.experts import Experts, Shape
from effbench_baselines.dele.settings import RankingNetwork
from effbench_baselines.dele.training import finetune, pretrain

SCORED_AT_ONCE = 1024
"""Architectures; some megabytes per layer of a dozen experts."""


class NetworkPredictor(Predictor):
    """A trained network; its scores are the fused logits: a sigmoid in float32 would make ties of the best.

    They are computed in float64 and rounded to float32, so that what a product adds up to does not depend on the size of the
    batch that an architecture is in.
    """

    def __init__(self, network: Experts, labels: int, columns: Sequence[str], compared: Sequence[str] = ()) -> None:
        self.network, self.labels = network.double().eval(), labels
        self.learned_from, self.compared = tuple(columns), tuple(compared)

    def modules(self) -> Mapping[str, Any]:
        """Return the network."""
        return {"experts": self.network}

    @torch.no_grad()
    def scores(self, architectures: Architectures) -> Array:
        """Return the fused scores [n]."""
        codes = torch.tensor(architectures.codes, dtype=torch.int64, device=next(self.network.parameters()).device)
        parts = [self.network(part).fused for part in codes.split(SCORED_AT_ONCE)]
        return torch.cat(parts).float().double().cpu().numpy()


def train(shape: Shape, params: RankingNetwork, pool: LearningPool, columns: Sequence[str], ctx: Context) -> Artifact:
    """Return a trained network: expert k on ``columns[k]`` of the whole pool, then all on the labels of the seed.

    It runs on the context's device. Without columns the first step is left out. Generators are the seed's own, and the
    CPU's on every device: labels, start, order, pairs and masks.
    Raises ``Unsupported`` for architectures that are no cells.
    """
    if pool.architectures.space.name != CELLS.name:
        raise Unsupported(
            f"these networks read cells of {CELLS.name}, and the table is of {pool.architectures.space.name}; "
            "nas-regression and nas-columns read any space"
        )
    generator = torch.Generator().manual_seed(ctx.seed)
    network, labels = Experts(shape, generator).train().to(ctx.device), pool.labels(ctx.seed)
    codes = torch.tensor(pool.architectures.codes, dtype=torch.int64, device=ctx.device)
    whole = params.finetune_epochs + (params.pretrain_epochs if columns else 0)
    if columns:
        cheap = [torch.as_tensor(pool.architectures.columns[name]) for name in columns]
        pretrain(
            network,
            codes,
            cheap,
            params.pretrain_epochs,
            params.batch,
            lambda done, _: ctx.progress(done, whole, "experts"),
        )
    before = whole - params.finetune_epochs
    finetune(
        network,
        codes[torch.as_tensor(labels.rows)],
        torch.as_tensor(labels.truth),
        params.finetune_epochs,
        params.batch,
        lambda done, _: ctx.progress(before + done, whole, "all on labels"),
    )
    tensors = {name: tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()}
    return Artifact(tensors, {"columns": list(columns), "labels": len(labels.rows), "experts": shape.experts})


def restored(shape: Shape, artifact: Artifact) -> NetworkPredictor:
    """Return the predictor of an artifact."""
    network = Experts(shape, torch.Generator())
    network.load_state_dict({name: torch.as_tensor(tensor) for name, tensor in artifact.tensors.items()})
    config = artifact.config
    return NetworkPredictor(network, int(config["labels"]), config["columns"], config.get("compared", ()))
