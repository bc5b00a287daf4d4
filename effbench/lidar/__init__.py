"""LiDAR frames, their readers, the generator of them and what measures detectors on them."""
