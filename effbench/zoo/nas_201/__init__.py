"""Low-fidelity columns for NAS-Bench-201: our zero-cost proxies on a sample of its cells, at a size that a core affords."""
