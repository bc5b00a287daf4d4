"""From the raw parts of a cell and its setting to its record: pure, the same in every process, no plugin needed."""
