"""NetKet as a solver: the variational Monte Carlo library that a user would reach for instead."""
