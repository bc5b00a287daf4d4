"""``zoo:moving-emoji-judge``: says which emoji a video shows and where it moves, with features for distances."""
