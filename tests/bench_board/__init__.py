"""The board over generated stores of any size: ``make bench-board`` writes docs/board-speed.md."""
