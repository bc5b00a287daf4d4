"""How results of kernels are compared with their references."""

import torch


def rms_ratio(ours, reference):
    """Return the root mean square of the difference over that of the reference; NaN where either holds NaN."""
    return ((ours - reference).pow(2).mean() / reference.pow(2).mean().clamp(min=1e-30)).sqrt().item()


def same_rows(ours, reference):
    """Return whether two ``QuantizedRows`` are equal to the bit, NaN being equal to NaN."""
    parts = zip(ours, reference, strict=True)
    return all(torch.equal(torch.nan_to_num(a, nan=-1.0), torch.nan_to_num(b, nan=-1.0)) for a, b in parts)
