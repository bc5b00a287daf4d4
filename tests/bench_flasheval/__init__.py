"""The study behind ``docs/flasheval.md``: which selector ranks held-out settings best, on FlashEval's released scores."""
