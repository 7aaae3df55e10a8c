"""What-if: an estate as it would be, and what would then be unlawful, unpowered or homeless. Nothing is written."""
