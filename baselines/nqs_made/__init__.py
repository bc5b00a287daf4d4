"""MADE as a neural quantum state: Zhao, Stokes and Veerapaneni, arXiv 2208.05637."""
