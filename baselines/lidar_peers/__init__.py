"""What Ada3D is compared with on LiDAR frames: other rules of dropping, other detectors, int8."""
