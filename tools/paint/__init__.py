"""Style pictures painted by our own programs: `python tools/paint_styles.py` paints them all."""
