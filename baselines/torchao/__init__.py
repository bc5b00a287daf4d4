"""PyTorch's torchao."""
