"""DELE: predictors of architectures that learn from low-fidelity experts, fused by a gate."""
