"""Any configuration of pruna."""
