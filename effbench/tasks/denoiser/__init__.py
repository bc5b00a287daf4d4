"""One call of a denoiser of published size with random weights: latency, memory and FLOPs, and no quality."""
