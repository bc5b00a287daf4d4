"""A restricted Boltzmann machine sampled by Metropolis: neural quantum states before autoregressive ones."""
