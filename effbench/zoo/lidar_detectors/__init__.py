"""The LiDAR detectors that EffBench ships: how they were trained on generated frames, their weights, their card."""
