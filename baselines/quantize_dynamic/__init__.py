"""torch's own ``quantize_dynamic``."""
