"""``make bench-timing``: EffBench's way of timing beside torch's and optimum-benchmark's, on the same callables."""
