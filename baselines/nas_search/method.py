"""Searches as methods of ``nas-search``."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from effbench.api import Artifact, Context, Method, PluginError, StrictParams
from effbench.tasks.nas_search.system import SearchSystem


class RegularisedEvolution(Method):
    """Tournaments choose parents, children differ by an edit, and the oldest dies."""

    name = "regularised-evolution"
    accepts = (SearchSystem,)

    class Params(StrictParams):
        """Parameters of the method."""

        population: Annotated[
            int, Field(ge=1, description="Architectures alive; as many are trained blindly first.")
        ] = 10
        tournament: Annotated[int, Field(ge=1, description="Of them drawn to choose a parent from.")] = 3

    def apply(self, system: SearchSystem, artifact: Artifact) -> SearchSystem:
        """Return the system with this searcher."""
        from effbench_baselines.nas_search.evolution import Evolution

        return replace(system, searcher=Evolution(self.params.population, self.params.tournament))


class LocalSearch(Method):
    """Trains all neighbours, moves to the best of them while it is better, and begins elsewhere where none is."""

    name = "local-search"
    accepts = (SearchSystem,)

    def apply(self, system: SearchSystem, artifact: Artifact) -> SearchSystem:
        """Return the system with this searcher."""
        from effbench_baselines.nas_search.local import HillClimb

        return replace(system, searcher=HillClimb())


class GuidedSearch(Method):
    """Evolution of a predictor's scores, the predictor being any method of nas-ranking; it learns from every stage."""

    name = "guided-search"
    accepts = (SearchSystem,)

    class Params(StrictParams):
        """Parameters of the method."""

        predictor: Annotated[str, Field(description="A method of nas-ranking.")] = "nas-regression"
        settings: Annotated[dict[str, Any], Field(description="Its parameters.", default_factory=dict)]
        start: Annotated[int, Field(ge=2, description="Architectures that are trained blindly first.")] = 20
        stage: Annotated[int, Field(ge=1, description="Architectures that one predictor chooses.")] = 10
        population: Annotated[int, Field(ge=1, description="Architectures alive in an evolution of scores.")] = 20
        tournament: Annotated[int, Field(ge=1, description="Of them drawn to choose a parent from.")] = 5
        steps: Annotated[int, Field(ge=1, description="Children of an evolution of scores.")] = 50

    def prepare(self, system: SearchSystem, ctx: Context) -> Artifact:
        """Return which code the search will trust; the predictor is trained as the search goes on, and counted there."""
        from effbench.tasks.nas_search.predictors import code_of_method, ranking_method

        if self.params.start >= system.budget:
            raise PluginError(
                f"start: {self.params.start} blind trainings leave nothing of a budget of {system.budget} to a predictor"
            )
        predictor = ranking_method(self.params.predictor, self.params.settings)
        return Artifact({}, {"predictor": code_of_method(predictor)})

    def apply(self, system: SearchSystem, artifact: Artifact) -> SearchSystem:
        """Return the system with this searcher; raise ``PluginError`` where the predictor's code is not the prepared one."""
        from effbench.tasks.nas_search.predictors import code_of_method, ranking_method
        from effbench_baselines.nas_search.guided import Guided

        params = self.params
        predictor = ranking_method(params.predictor, params.settings)
        if artifact.config["predictor"] != code_of_method(predictor):
            raise PluginError(f"the code of {params.predictor!r} is another than when this search was prepared")
        searcher = Guided(predictor, params.start, params.stage, params.population, params.tournament, params.steps)
        return replace(system, searcher=searcher)
