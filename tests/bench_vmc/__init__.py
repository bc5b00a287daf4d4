"""``make bench-vmc``: our local-energy engines beside PySCF, NetKet and OpenFermion, on the same determinants."""
