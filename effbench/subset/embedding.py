"""Prompts as vectors: words and pairs of words, weighted by rarity, on their leading directions (latent semantic analysis).

Deerwester et al. 1990, JASIS 41, 391-407. No network is needed, so that the vectors are the same everywhere and offline.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from effbench.arrays import Array

DIMENSIONS = 64
"""A choice: with far fewer directions different subjects fall together, with far more every word is a subject."""


def embed(texts: Sequence[str], seed: int = 0, dimensions: int = DIMENSIONS) -> Array:
    """Return unit vectors [texts, at most dimensions]; a text without a repeated word is the zero vector."""
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import svds

    counted = [Counter(_terms(text)) for text in texts]
    documents = Counter(term for terms in counted for term in terms)
    columns = {term: place for place, term in enumerate(sorted(t for t, n in documents.items() if n > 1))}
    if not columns:
        return np.zeros((len(texts), 1))
    rows, places, values = [], [], []
    for row, terms in enumerate(counted):
        for term, count in terms.items():
            if term in columns:
                rows.append(row)
                places.append(columns[term])
                values.append((1 + np.log(count)) * np.log(len(texts) / documents[term]))
    table = csr_array((values, (rows, places)), shape=(len(texts), len(columns)))
    rank = min(dimensions, min(table.shape) - 1)
    if rank < 1:
        return _unit(table.toarray())
    start = np.random.default_rng(seed).normal(size=min(table.shape))
    left, sizes, _ = svds(table, k=rank, v0=start)
    return np.round(_unit(left * sizes), 6)  # equal texts are equal vectors, whatever the last bits


def _terms(text: str) -> list[str]:
    words = re.findall(r"[^\W_]+", text.lower())
    return words + [f"{first} {second}" for first, second in pairwise(words)]


def _unit(vectors: Array) -> Array:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0, norms, 1))
