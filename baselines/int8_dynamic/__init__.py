"""W8A8 with real int8 kernels."""
