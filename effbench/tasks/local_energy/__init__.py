"""The task ``local-energy``: the kernel of neural VMC alone, on molecules too large to train on here."""
