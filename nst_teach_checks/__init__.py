"""Instant feedback for the exercises: one check for each task.

    from nst_teach_checks import ex03

    ex03.content_loss(my_function)

A check calls your function on fresh random inputs. It tells you what it saw, gives a hint and names
the section to reread, but never gives the answer away. `report()` shows where you stand.
"""

from importlib import import_module
from pkgutil import iter_modules

from nst_teach_checks._core import require
from nst_teach_checks._feedback import Feedback, Reread
from nst_teach_checks._pictures import beside
from nst_teach_checks._session import Report, report, reset, save_report

EXERCISES = tuple(sorted(m.name for m in iter_modules(__path__) if m.name.startswith("ex")))
"""The exercises that have checks, such as `"ex03"`; each is a module of this package."""

for _name in EXERCISES:
    import_module(f"{__name__}.{_name}")

__all__ = [
    "EXERCISES",
    "Feedback",
    "Report",
    "Reread",
    "beside",
    "report",
    "require",
    "reset",
    "save_report",
]
