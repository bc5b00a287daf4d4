"""The task ``lidar-detection``: cars, pedestrians and cyclists in LiDAR frames, generated ones or a KITTI folder's."""
