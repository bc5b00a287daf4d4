"""Any method of ``nas-ranking`` as what a search trusts: prepared on the architectures trained so far, by its own code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from effbench.api import Context, Method, PluginError, StrictParams
from effbench.errors import BadInput
from effbench.tasks.nas_ranking.system import BySize, Labels, LearningPool, Predictor, RankingSystem
from effbench.tasks.nas_search.trial import SearchTrial


@dataclass(frozen=True)
class TrainedPool(LearningPool):
    """All architectures of a space, of which those are labelled that a search has trained, whatever the seed."""

    known: Labels

    def labels(self, seed: int) -> Labels:
        """Return what was trained, in the order of the trainings."""
        return self.known


def ranking_method(name: str, settings: Mapping[str, Any]) -> Method:
    """Return the method of ``nas-ranking`` of that name; raise ``PluginError`` for one of no such kind or wrong settings."""
    from effbench import registry

    try:
        plugin = registry.methods.get(name)
        params: StrictParams = plugin.Params.model_validate(dict(settings))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "settings"
        raise PluginError(f"predictor {name!r}: {where}: {first['msg'].lower()}") from None
    except BadInput as error:
        raise PluginError(f"predictor: {error}") from None
    if not any(issubclass(RankingSystem, accepted) for accepted in plugin.accepts) or name == "reference":
        raise PluginError(f"predictor: {name!r} makes no predictor of architectures; see the methods of nas-ranking")
    return plugin(params)


def code_of_method(method: Method) -> str:
    """Return the hash of the code behind a method: what a search trusted."""
    from effbench import registry

    return registry.code_version(type(method))


def fitted(method: Method, trial: SearchTrial, seed: int) -> Predictor:
    """Return the predictor that a method prepares on what a trial has trained, and note in the trial what it read."""
    space = trial.space
    known = Labels(np.array(list(trial.trained), np.int64), np.array(list(trial.trained.values())))
    pool = TrainedPool(space.architectures, len(known.rows), space.costs, space.label_cost, lambda: np.zeros(0), known)
    system = RankingSystem(BySize(), pool, "search")
    made = method.apply(system, method.prepare(system, Context(seed=seed)))
    if not isinstance(made, RankingSystem):
        raise PluginError(f"method {method.name!r} returned no system of nas-ranking")
    trial.predictors.append((made.predictor, len(known.rows)))
    return made.predictor
