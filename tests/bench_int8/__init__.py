"""Integer layers beside their peers: ``make bench-int8`` writes docs/quantization-kernels.md."""
