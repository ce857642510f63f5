"""Read models: what lists, the board, the doctor and metrics show."""
