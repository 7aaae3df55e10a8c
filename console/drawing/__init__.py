"""Pictures of the estate: one scale of colours, drawn in a terminal or as SVG."""
