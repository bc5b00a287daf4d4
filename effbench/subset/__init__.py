"""Condensed subsets: which few samples rank methods as all samples do, and a certificate of how well."""
