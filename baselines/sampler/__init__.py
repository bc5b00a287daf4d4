"""Another solver on the same denoiser."""
