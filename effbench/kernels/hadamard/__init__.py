"""The Hadamard rotation of rows, factored."""
