"""The parts of the teacher's guide that tools write, each between two markers."""

from __future__ import annotations

GUIDE = "book/teaching.md"


class GuideError(ValueError):
    """A guide without the markers of a part."""


def with_part(guide: str, source: str, part: str) -> str:
    """The guide's text, with `part` as what comes from `source`, a name such as `outcomes.yml`.

    Raises:
        GuideError: one of the two markers is missing, or there is more than one of them.
    """
    begin, end = f"<!-- from {source} -->", f"<!-- end of what is from {source} -->"
    if guide.count(begin) != 1 or guide.count(end) != 1:
        raise GuideError(f"{GUIDE}: needs the lines '{begin}' and '{end}', once each.")
    before, _, rest = guide.partition(begin)
    return f"{before}{begin}\n\n{part}\n{end}{rest.partition(end)[2]}"
