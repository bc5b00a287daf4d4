"""Banded attention beside torch's own: ``make bench-attention`` writes docs/attention-kernels.md."""
