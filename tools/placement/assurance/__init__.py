"""N-1: whether all that is promised has a second home when one failure domain is lost. `keeping` is the way in."""
