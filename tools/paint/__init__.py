"""Style pictures painted by our own programs: `python -m tools.paint` paints them all."""
