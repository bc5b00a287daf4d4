"""The task ``nas-search``: find the best architecture of a table while training few of them."""
