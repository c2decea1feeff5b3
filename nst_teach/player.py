"""A clip in a page, with controls to play, pause and scrub, and without external files or scripts.

All frames of a clip are stored in one JPEG, one below the other, inside the HTML itself. The same
output therefore works in a notebook and in the built book, where no kernel runs. Chapter 11 uses
it. The output of matplotlib's `to_jshtml` is eight times as large (one PNG per frame), loads its
icons from another site, has no alternative text, and ignores a preference for reduced motion.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Template

from PIL import Image
from torch import Tensor

from nst_teach.images import ImageError, to_pil

FRAMES_PER_SECOND = 8.0
QUALITY = 75  # of the JPEG; a stylised frame of 192 pixels takes about 10 kB

_PLAYER = Template("""\
<figure class="nst-player" data-frames="$count" data-rate="$rate" data-bounce="$bounce">
<style>
.nst-player { margin: 1em 0; }
.nst-player .clips { display: grid; gap: .6em; }
.nst-player .clip { text-align: center; font-size: .9em; }
.nst-player .window { position: relative; overflow: hidden; border-radius: 3px; }
.nst-player .window img { position: absolute; top: 0; left: 0; width: 100%; max-width: none;
  height: auto; margin: 0; padding: 0 !important; border-radius: 0 !important; }
.nst-player .controls { display: flex; align-items: center; gap: .8em; margin: .6em 0; }
.nst-player button { font: inherit; color: inherit; background: none; min-width: 5.5em;
  padding: .25em .8em; border: 1px solid currentColor; border-radius: 4px; cursor: pointer; }
.nst-player input { flex: 1; min-width: 4em; accent-color: currentColor; }
.nst-player output { min-width: 4.5em; text-align: right; font-variant-numeric: tabular-nums; }
</style>
<div class="clips" style="grid-template-columns: repeat($columns, 1fr)">
$clips
</div>
<div class="controls">
<button type="button">Play</button>
<input type="range" min="1" max="$count" value="1" step="1" aria-label="Frame">
<output>1 / $count</output>
</div>
<figcaption>$caption</figcaption>
<script>
for (const player of document.querySelectorAll(".nst-player:not([data-ready])")) {
  const [button, slider, shown] = ["button", "input", "output"].map(t => player.querySelector(t));
  const strips = player.querySelectorAll("img"), count = Number(player.dataset.frames);
  const bounce = player.dataset.bounce === "true";
  let timer = null, forward = true;
  player.dataset.ready = "";
  const show = () => {
    const shift = -100 * (slider.value - 1) / count;
    strips.forEach(strip => { strip.style.transform = `translateY($${shift}%)`; });
    shown.value = `$${slider.value} / $${count}`;
  };
  const advance = () => {
    const at = Number(slider.value);
    if (at === count) forward = !bounce;
    if (at === 1) forward = true;
    slider.value = forward ? at % count + 1 : at - 1;
    show();
  };
  const play = on => {
    clearInterval(timer);
    timer = on ? setInterval(advance, 1000 / player.dataset.rate) : null;
    button.textContent = on ? "Pause" : "Play";
  };
  button.addEventListener("click", () => play(timer === null));
  slider.addEventListener("input", () => { play(false); show(); });
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) play(true);
}
</script>
</figure>""")

_CLIP = Template("""\
<div class="clip"><div class="window" style="aspect-ratio: $width / $height">\
<img src="data:image/jpeg;base64,$data" alt="$alt"></div>$title</div>""")


@dataclass(frozen=True)
class Player:
    """Clips side by side, played in synchrony; shown as the last expression of a cell.

    Attributes:
        html: the complete player.
        summary: one line of text for front ends without HTML.
    """

    html: str
    summary: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.summary


def player(
    clips: Mapping[str, Sequence[Tensor]],
    *,
    alt: Mapping[str, str],
    caption: str = "",
    frames_per_second: float = FRAMES_PER_SECOND,
    bounce: bool = False,
    columns: int = 2,
    quality: int = QUALITY,
) -> Player:
    """Play clips side by side, in synchrony, with one button and one slider.

    Nothing starts by itself for readers whose system asks for reduced motion.

    Args:
        clips: frames `(1, 3, H, W)`, RGB in [0, 1], by title; equally many, and of the same size.
        alt: an alternative text for each title.
        caption: shown below the clips.
        frames_per_second: the frame rate.
        bounce: play forwards and backwards instead of jumping to the start.
        columns: clips per row, also on a narrow screen, so that all stay in view.
        quality: of the JPEG, 1 to 95.

    Raises:
        ImageError: no clip, or frames that differ in number or size.
        KeyError: a clip without an alternative text.
    """
    count, height, width = _common_shape(clips)
    items = [
        _CLIP.substitute(
            width=width,
            height=height,
            data=_strip(frames, quality),
            alt=html.escape(alt[title]),
            title=html.escape(title),
        )
        for title, frames in clips.items()
    ]
    page = _PLAYER.substitute(
        count=count,
        rate=frames_per_second,
        bounce=str(bounce).lower(),
        columns=columns,
        clips="\n".join(items),
        caption=html.escape(caption),
    )
    return Player(page, f"Player({len(clips)} clips of {count} frames, {width}×{height} px)")


def _common_shape(clips: Mapping[str, Sequence[Tensor]]) -> tuple[int, int, int]:
    shapes = {
        title: (len(f), {(x.shape[-2], x.shape[-1]) for x in f}) for title, f in clips.items()
    }
    counts = {count for count, _ in shapes.values()}
    sizes = {size for _, sizes in shapes.values() for size in sizes}
    if len(counts) != 1 or len(sizes) != 1:
        raise ImageError(
            f"player got clips of these lengths and sizes: {shapes}; expected at least one clip, "
            "and the same number of frames of the same size in each."
        )
    return counts.pop(), *sizes.pop()


def _strip(frames: Sequence[Tensor], quality: int) -> str:
    """The frames, one below the other, as a JPEG in base 64."""
    pictures = [to_pil(frame) for frame in frames]
    width, height = pictures[0].size
    strip = Image.new("RGB", (width, height * len(pictures)))
    for index, picture in enumerate(pictures):
        strip.paste(picture, (0, height * index))
    buffer = io.BytesIO()
    strip.save(buffer, "JPEG", quality=quality, optimize=True, progressive=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
