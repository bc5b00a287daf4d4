"""The ``effbench`` command. This module stays empty of imports: worker processes import it as their main module."""


def main() -> None:
    """Run the command line and exit with its code."""
    from effbench.cli.app import run_app

    raise SystemExit(run_app())
