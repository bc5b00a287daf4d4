"""Neural architecture search: spaces of cells, networks of them, and tables of what trained ones reach."""
