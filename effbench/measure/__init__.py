"""What a run measures besides quality: latency, memory, FLOPs, energy, and the machine it ran on."""
