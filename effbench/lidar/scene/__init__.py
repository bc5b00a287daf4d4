"""Streets that never were, swept by a simulated LiDAR: seeded frames with exact labels, for training and measuring detectors.

``generator.generate`` makes one frame; ``splits`` names those that the project trains and evaluates on and caches them.
"""
