"""Our own operations, one folder each: ``reference.py`` is the specification, ``cost.py`` counts its work."""
