"""Low-fidelity columns for NAS-Bench-201: our zero-cost proxies on a seeded sample of its cells, at a size that a core affords."""
