"""From a suite to a filled store: plan, jobs in isolated processes, latency rounds, finished records."""
