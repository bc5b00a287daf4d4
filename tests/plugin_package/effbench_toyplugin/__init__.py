"""A torch-free EffBench plugin: it shows that tasks need not be inference, and gives the runner's tests their prey."""
