"""Intervals and resampling; numpy and scipy only, and nothing of EffBench."""
