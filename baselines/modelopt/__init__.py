"""NVIDIA's Model Optimizer."""
