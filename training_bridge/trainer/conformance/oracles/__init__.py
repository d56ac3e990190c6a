"""One file per method: the loss and its gradient from the formula, floats in and floats out."""
