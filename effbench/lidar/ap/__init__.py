"""Average precision of detected boxes by KITTI's rules: matched once per frame, counted under any weights."""
