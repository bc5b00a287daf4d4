"""LiDAR detectors that train on a laptop: voxels, a sparse 3D backbone, a dense or a sparse BEV backbone, a centre head.

``grid.py`` and ``config.py`` are light; the rest needs torch and numba. ``model.py`` puts the parts together.
"""
