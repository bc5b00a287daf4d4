"""EffBench measured by itself: what its intervals cover, what it finds of differences that were planted."""
