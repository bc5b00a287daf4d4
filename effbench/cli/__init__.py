"""The ``effbench`` command. This module stays empty of imports: worker processes import it as their main module."""


def main() -> None:
    """Run the command line and exit with its code."""
    from effbench.cli.caches import usable_caches
    from effbench.cli.streams import steady_streams, told_in_full

    out = steady_streams()
    usable_caches()
    from effbench.cli.app import run_app

    raise SystemExit(told_in_full(out, run_app()))
