"""Encoders of cells: one set of functions for a single network and for a stack of them, whose tensors have a first axis K.

``initial(generator)`` draws the tensors of one member; ``encode(tensors, codes)`` takes tensors stacked to [K, ...] and codes
[B, 6] and returns [K, B, size]. Every architecture of a batch is encoded once, however many pairs it is in.

``Gates`` is the operation-on-edge form for NAS-Bench-201: the information that leaves a node is multiplied by a gate of the
edge's operation (Ning et al., arXiv 2004.01899; settings as arXiv 2302.00932 used them). As the operations are five, the
gates of a layer are one table of five rows, not one product per edge and architecture.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from effbench.nas.cells import EDGES, NODES, NONE, OPS

Tensors = dict[str, torch.Tensor]


class Encoder(ABC):
    """Turns cells into vectors."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Return the length of a vector."""

    @abstractmethod
    def initial(self, generator: torch.Generator) -> Tensors:
        """Return the tensors of one member, drawn anew."""

    @abstractmethod
    def encode(self, tensors: Mapping[str, torch.Tensor], codes: torch.Tensor) -> torch.Tensor:
        """Return [K, B, size] of codes [B, 6], int64; ``tensors`` are stacked to [K, ...]."""


@dataclass(frozen=True)
class Gates(Encoder):
    """Graph-based encoding: information flows along edges and is gated by their operations."""

    layers: int = 5
    width: int = 128
    hidden: int = 96
    embedding: int = 48

    @property
    def size(self) -> int:
        """Return the width of the last layer."""
        return self.width

    def initial(self, generator: torch.Generator) -> Tensors:
        """Return what a member learns: an input vector, an embedding per operation, and each layer's flow and gate."""
        found = {
            "start": torch.randn(self.embedding, generator=generator),
            "ops": torch.randn(len(OPS), self.embedding, generator=generator),
            **linear("lift", self.embedding, self.hidden, generator),
        }
        wide = self.hidden
        for layer in range(self.layers):
            reach = self.width**-0.5
            found[f"flow{layer}"] = uniform((wide, self.width), reach, generator)
            found |= linear(f"gate{layer}", self.embedding, self.width, generator)
            wide = self.width
        return found

    def encode(self, tensors: Mapping[str, torch.Tensor], codes: torch.Tensor) -> torch.Tensor:
        """Return the output node after the last layer.

        What nobody reads is not computed: no edge leaves the output, and the last layer is read there alone. The input node
        is the same for every architecture, so it is one row.
        """
        lifted = tensors["start"][:, None] @ tensors["lift.weight"] + tensors["lift.bias"][:, None]  # [K, 1, hidden]
        nodes = [
            lifted,
            *[tensors["lift.bias"][:, None]] * (NODES - 2),
        ]  # all but the output; a vector of zeros, lifted
        chosen, flows = choices(codes, lifted.dtype), torch.arange(len(OPS), device=codes.device) != NONE
        for layer in range(self.layers):
            table = (tensors["ops"] @ tensors[f"gate{layer}.weight"] + tensors[f"gate{layer}.bias"][:, None]).sigmoid()
            table = table * flows[:, None]  # [K, 5, width]; nothing flows through nothing
            sent = [node @ tensors[f"flow{layer}"] for node in nodes]  # [K, 1 or B, width]
            is_last = layer + 1 == self.layers
            arrived = {0: sent[0]}  # the input keeps its own
            for place, (to, source) in enumerate(EDGES):
                if (to == NODES - 1) == is_last:
                    brought = (chosen[place] @ table) * sent[source]
                    arrived[to] = arrived[to] + brought if to in arrived else brought
            nodes = [torch.relu(arrived[node]) for node in range(NODES - 1)] if not is_last else [arrived[NODES - 1]]
        return nodes[0]


@dataclass(frozen=True)
class Lstm(Encoder):
    """The six operations as a sequence, read by one LSTM; its last state."""

    width: int = 100
    embedding: int = 100

    @property
    def size(self) -> int:
        """Return the width of the state."""
        return self.width

    def initial(self, generator: torch.Generator) -> Tensors:
        """Return an embedding per operation and the four gates' weights and two biases."""
        reach = self.width**-0.5
        return {
            "ops": torch.randn(len(OPS), self.embedding, generator=generator),
            "input": uniform((self.embedding, 4 * self.width), reach, generator),
            "state": uniform((self.width, 4 * self.width), reach, generator),
            "bias_input": uniform((4 * self.width,), reach, generator),
            "bias_state": uniform((4 * self.width,), reach, generator),
        }

    def encode(self, tensors: Mapping[str, torch.Tensor], codes: torch.Tensor) -> torch.Tensor:
        """Return the state after the last operation."""
        bias = (tensors["bias_input"] + tensors["bias_state"])[:, None]
        table = tensors["ops"] @ tensors["input"] + bias  # [K, 5, 4 width], what an operation adds to the gates
        state = table.new_zeros(len(table), len(codes), self.width)
        memory = state
        for chosen in choices(codes, table.dtype):
            gates = chosen @ table + state @ tensors["state"]
            entry, keep, new, leave = gates.chunk(4, 2)
            memory = keep.sigmoid() * memory + entry.sigmoid() * new.tanh()
            state = leave.sigmoid() * memory.tanh()
        return state


@dataclass(frozen=True)
class OneHot(Encoder):
    """Each edge's operation as five zeros and ones; nothing is learned."""

    @property
    def size(self) -> int:
        """Return operations times edges."""
        return len(OPS) * len(EDGES)

    def initial(self, generator: torch.Generator) -> Tensors:
        """Return one tensor that says how many members there are."""
        return {"members": torch.zeros(())}

    def encode(self, tensors: Mapping[str, torch.Tensor], codes: torch.Tensor) -> torch.Tensor:
        """Return the same zeros and ones for every member."""
        flat = torch.nn.functional.one_hot(codes, len(OPS)).flatten(1).to(tensors["members"].dtype)
        return flat.expand(len(tensors["members"]), -1, -1)


@dataclass(frozen=True)
class Gcn(Encoder):
    """A graph convolution over operations (Kipf & Welling, arXiv 1609.02907, equation 2), as vanilla predictors have it.

    Nodes are the six operations, the cell's input and its output; two are joined where one's result is the other's argument,
    and an operation ``none`` is joined to nothing. The encoding is the mean over nodes that are joined to any.
    """

    layers: int = 3
    width: int = 128
    embedding: int = 48

    @property
    def size(self) -> int:
        """Return the width of a layer."""
        return self.width

    def initial(self, generator: torch.Generator) -> Tensors:
        """Return an embedding per operation and for input and output, and each layer's weights."""
        found = {"ops": torch.randn(len(OPS) + 2, self.embedding, generator=generator)}
        wide = self.embedding
        for layer in range(self.layers):
            found |= linear(f"graph{layer}", wide, self.width, generator)
            wide = self.width
        return found

    def encode(self, tensors: Mapping[str, torch.Tensor], codes: torch.Tensor) -> torch.Tensor:
        """Return the mean over nodes after the last layer: X' = relu(D^-1/2 (A + I) D^-1/2 X W + b)."""
        dtype = tensors["ops"].dtype
        adjacency = _joined(codes, dtype)  # [B, 8, 8]
        is_there = adjacency.sum(2) > 0  # [B, 8]
        looped = adjacency + torch.eye(len(EDGES) + 2, dtype=dtype, device=codes.device)
        scale = looped.sum(2).rsqrt()
        spread = scale[:, :, None] * looped * scale[:, None, :]
        ends = torch.tensor([len(OPS), len(OPS) + 1], device=codes.device).expand(len(codes), 2)
        chosen = torch.nn.functional.one_hot(torch.cat([codes, ends], 1), len(OPS) + 2).to(dtype)  # [B, 8, 7]
        nodes = torch.einsum("bno,kow->kbnw", chosen, tensors["ops"])
        for layer in range(self.layers):
            made = torch.einsum("kbnh,khw->kbnw", nodes, tensors[f"graph{layer}.weight"])
            nodes = torch.relu(spread @ made + tensors[f"graph{layer}.bias"][:, None, None])
        share = is_there.to(dtype) / is_there.sum(1, keepdim=True).clamp(min=1)
        return torch.einsum("kbnw,bn->kbw", nodes, share)


def _joined(codes: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return zeros and ones [B, 8, 8]: which operations, input (6) and output (7) pass a result to each other."""
    first, last = len(EDGES), len(EDGES) + 1
    fixed = torch.zeros(last + 1, last + 1, dtype=dtype)
    for place, (to, source) in enumerate(EDGES):
        before = [first] if source == 0 else [p for p, (end, _) in enumerate(EDGES) if end == source]
        after = [last] if to == NODES - 1 else []
        for other in before + after:
            fixed[place, other] = fixed[other, place] = 1.0
    there = torch.cat([codes != NONE, codes.new_ones(len(codes), 2, dtype=torch.bool)], 1).to(dtype)
    return fixed.to(codes.device) * there[:, :, None] * there[:, None, :]


def choices(codes: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return zeros and ones [edges, B, operations]: a product with them looks up a table, and its gradient is one too."""
    return torch.nn.functional.one_hot(codes.T, len(OPS)).to(dtype)


def uniform(shape: tuple[int, ...], reach: float, generator: torch.Generator) -> torch.Tensor:
    """Return numbers drawn evenly from -reach to reach."""
    return (2 * torch.rand(shape, generator=generator) - 1) * reach


def linear(name: str, inputs: int, outputs: int, generator: torch.Generator) -> Tensors:
    """Return ``name.weight`` [inputs, outputs] and ``name.bias``, within 1 / sqrt(inputs) as torch's linear layers."""
    reach = inputs**-0.5
    return {
        f"{name}.weight": uniform((inputs, outputs), reach, generator),
        f"{name}.bias": uniform((outputs,), reach, generator),
    }
