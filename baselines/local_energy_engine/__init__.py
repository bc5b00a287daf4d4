"""The engines of ``effbench.kernels.local_energy`` as methods of the task ``local-energy``."""
