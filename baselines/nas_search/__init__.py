"""Searches over architectures: regularised evolution, local search, and evolution that a predictor guides."""
