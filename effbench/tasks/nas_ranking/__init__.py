"""The task ``nas-ranking``: predict which architectures are better from few trained ones."""
