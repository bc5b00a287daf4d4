"""What quantization methods are made of: ranges, rounding, transforms, calibration, plans and layers."""
