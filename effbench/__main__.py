"""``python -m effbench``: the command line without its console script."""

from effbench.cli import main

main()
