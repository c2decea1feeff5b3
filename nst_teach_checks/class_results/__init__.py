"""What a class has learned: from collected answers and reports to one page for the teacher.

    nst-teach class RESULTS -o class.html

`reading` reads the folder, `statistics` knows numbers alone, `summary` counts, and `text`, `page`
and `table` show what was counted. `inventory.json` is written by tools/inventory.py.
"""
