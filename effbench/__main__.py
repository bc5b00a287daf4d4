"""``python -m effbench`` is the ``effbench`` command."""

from effbench.cli import main

if __name__ == "__main__":
    main()
