"""Simple predictors of architectures: what anything elaborate has to beat under the same labels."""
