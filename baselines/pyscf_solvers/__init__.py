"""What a chemist would run instead of a neural quantum state: PySCF's solvers on the same integrals."""
