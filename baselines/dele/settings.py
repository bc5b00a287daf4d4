"""Parameters of the networks that rank architectures, and what they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from effbench.api import StrictParams

if TYPE_CHECKING:
    from effbench_baselines.dele.encoders import Encoder

Positive = Annotated[int, Field(ge=1)]


class RankingNetwork(StrictParams):
    """Parameters of a network and of its training; the defaults are those of the published GATES configuration."""

    encoder: Annotated[
        Literal["gates", "lstm", "gcn", "one-hot"],
        Field(description="What turns a cell into a vector, below a head of layers."),
    ] = "gates"
    layers: Annotated[int, Field(ge=1, description="Layers of the encoders gates and gcn.")] = 5
    width: Annotated[int, Field(ge=1, description="Width of the encoder: of its layers, or of the LSTM's state.")] = 128
    hidden: Annotated[
        tuple[Positive, ...], Field(description="Widths of the head's hidden layers; none is one linear layer.")
    ] = (300,) * 5
    pretrain_epochs: Annotated[int, Field(ge=0, description="Over the pool, on low-fidelity columns.")] = 200
    finetune_epochs: Annotated[int, Field(ge=0, description="Over the labelled architectures.")] = 200
    batch: Annotated[int, Field(ge=2, description="Architectures per step.")] = 512


def encoder_of(params: RankingNetwork) -> Encoder:
    """Return the encoder that parameters ask for."""
    from effbench_baselines.dele.encoders import Gates, Gcn, Lstm, OneHot

    if params.encoder == "gates":
        return Gates(params.layers, params.width)
    if params.encoder == "gcn":
        return Gcn(params.layers, params.width)
    return Lstm(params.width) if params.encoder == "lstm" else OneHot()
