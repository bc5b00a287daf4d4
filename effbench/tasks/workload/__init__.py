"""The task ``workload``: work of known cost, on which EffBench measures itself."""
