"""The task ``vmc-energy``: molecules, solvers, and how far a solver's energy is from the exact one."""
