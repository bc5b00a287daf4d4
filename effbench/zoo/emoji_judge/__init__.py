"""``zoo:emoji-judge``: a dual encoder that says how well an emoji scene fits a sentence, with features for distances."""
