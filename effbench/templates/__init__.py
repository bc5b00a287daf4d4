"""The files that ``effbench new`` writes, with ``$fields`` to fill in."""
