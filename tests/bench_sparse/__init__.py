"""Sparse convolutions beside spconv's CPU wheel, dense ones and products tap by tap: ``make bench-sparse``."""
