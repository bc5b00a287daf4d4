"""What a method that reuses an earlier step's work is built from: hooks for one call, samples kept apart, work counted."""
