"""Fuzz `load_image`: from any file comes a picture, or an ImageError that names the file.

    python tools/fuzz_images.py 0 20000    seeds 0 to 19999
    python tools/fuzz_images.py 4711 1     one of them again

A seed is a small picture in a format that Pillow writes, then damaged. A child process loads it,
with limits on time, memory and pixels, so that a crash or a hang is seen, too. It needs Linux or
macOS.
"""

import contextlib
import io
import os
import random
import signal
import sys
import tempfile
import warnings
import zlib
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from nst_teach import ImageError, load_image

Image.init()
MODES = ("RGB", "RGBA", "P", "L", "LA", "1", "CMYK", "I;16", "F")
EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # turn by 90°
TWO = {"save_all": True, "append_images": [Image.new("RGB", (17, 13), "red")]}
OPTIONS = [{}, {"exif": EXIF}, TWO, {"progressive": True}, {"lossless": True}] + [
    {"compression": name} for name in ("tga_rle", "tiff_lzw", "jpeg", "packbits", "tiff_deflate")
]
SECONDS, MEMORY, PIXELS = 20.0, 6 * 2**30, 1_100_000  # the most of a child


@cache
def whole(form, mode, option):
    """A sound file, or none where the format has no such mode or option."""
    if form == "AVIF" and OPTIONS[option] is TWO:  # the time would be in it: another file each time
        return None
    noise = np.random.default_rng(0).integers(0, 256, (13, 17, 3), dtype=np.uint8)
    file = io.BytesIO()
    with contextlib.suppress(Exception), warnings.catch_warnings(action="ignore"):
        Image.fromarray(noise).convert("L").convert(mode).save(file, form, **OPTIONS[option])
        return file.getvalue()


# Some formats are registered for programs that add a writer of their own.
FORMATS = [form for form in sorted(set(Image.SAVE) & set(Image.OPEN))
           if any(whole(form, mode, 0) for mode in MODES)]  # fmt: skip


def damaged(data, other, dice):
    """The file after one to three accidents, many of them near its start."""
    for _ in range(dice.choice([1, 1, 2, 3])):
        a, b, c = sorted(dice.randint(0, min(len(data), dice.choice([200, 9**9]))) for _ in "abc")
        noise = dice.choice([b"\0", b"\xff", b"\x7f", b"\x80", dice.randbytes(dice.randint(1, 9))])
        data = dice.choice([
            data[:a] + noise + data[a + len(noise):],  # overwritten
            data[:a] + bytes(x ^ 1 << dice.randrange(8) for x in data[a:a + 2]) + data[a + 2:],
            data[:a] + data[b:],  # cut out
            data[:c] if dice.random() < 0.3 else data,  # cut off
            data[:b] + data[a:],  # duplicated
            data[:a] + noise + data[a:],  # inserted
            data[:a] + data[b:c] + data[a:b] + data[c:],  # two parts swapped
            data[:a] + other[dice.randint(0, len(other)):],  # two files spliced
        ])  # fmt: skip
    return data


def summed(data, at=8):
    """A PNG with the right sum after each chunk: without, Pillow would look no further."""
    while data.startswith(b"\x89PNG") and at + 8 < len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        data = data[:end] + zlib.crc32(data[at + 4 : end]).to_bytes(4, "big") + data[end + 4 :]
        at = end + 4
    return data


def made(seed):
    """The file of a seed, the same whatever was made before."""
    dice, files = random.Random(seed), []
    while len(files) < 2:
        form = dice.choice(FORMATS) if files else FORMATS[seed % len(FORMATS)]
        file = whole(form, dice.choice(MODES), dice.randrange(len(OPTIONS)))
        files += [file] if file else []
    data = damaged(*files, dice)
    return summed(data) if dice.random() < 0.7 else data


def outcome(path, seed, load):
    """`picture`, `refused`, or what should not have happened."""
    try:
        with warnings.catch_warnings(action="ignore"):
            image = load(path, size=(None, 9, (5, 7))[seed % 3])
            assert image.shape[:2] == (1, 3), f"an image of shape {image.shape}"
            assert ((image >= 0) & (image <= 1)).all(), "an image with values beyond [0, 1]"
            return "picture"
    except ImageError as error:
        return "refused" if path.name in str(error) else f"the file is not named: {error}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


def limited(seconds):
    """Give this process so much time, memory and pixels; without time, it is ended."""
    import resource  # Windows has neither this nor forks

    with contextlib.suppress(ValueError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    Image.MAX_IMAGE_PIXELS = PIXELS
    signal.setitimer(signal.ITIMER_REAL, seconds)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the complaints of the libraries


def run(seeds, load=load_image, seconds=SECONDS):
    """Yield each seed with its outcome."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged"
        for seed in seeds:
            path.write_bytes(made(seed))
            read, write = os.pipe()
            if not (child := os.fork()):
                try:
                    limited(seconds)
                    os.write(write, ascii(outcome(path, seed, load))[1:200].encode())
                finally:
                    os._exit(0)
            os.close(write)
            with os.fdopen(read) as answer:
                result = answer.read().rstrip("'\"")
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            yield seed, result or f"killed (signal {-status})"


def main():
    first, files = (int(number) for number in sys.argv[1:] or (0, 20_000))
    counts = Counter()
    for seed, result in run(range(first, first + files)):
        kind = result if result in ("picture", "refused") else "ESCAPED"
        counts[FORMATS[seed % len(FORMATS)], kind] += 1
        if kind == "ESCAPED":
            print(f"seed {seed}: {result}", flush=True)
    for (form, kind), count in sorted(counts.items()):
        print(f"{form:9} {kind} {count:5}")


if __name__ == "__main__":
    main()
