"""The package's core as on processors that this machine does not have, with one thread.

    python tools/capability.py

Runs the same few lines four times, each in a process of its own: as the machine is, and with what
newer processors added hidden from torch (`ATEN_CPU_CAPABILITY`) and from oneDNN, which computes its
convolutions (`ONEDNN_MAX_CPU_ISA`), though not from MKL. Prints the losses, how far they and the
fast network's picture are from those of the machine as it is, the precision that "auto" chose, the
seconds and the peak memory. Exits with 1 if results do not agree.

One evaluation must agree to `ONE_STEP`. Afterwards rounding errors grow along the path of an
optimiser; the loss after `STEPS` must agree to `AFTER_STEPS`, a loss in bfloat16 to `HALF`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

SETTINGS = {
    "as it is": {},
    "AVX2, torch": {"ATEN_CPU_CAPABILITY": "avx2"},
    "AVX2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "none": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
}

SIZE, STEPS = 96, 12
HALF_STEPS = 2  # in bfloat16, which takes ten times as long without units for it
ONE_STEP, AFTER_STEPS, HALF = 1e-4, 1e-2, 0.05  # relative
PICTURE = 1e-3  # of values in [0, 1]


def measure() -> dict[str, object]:
    """What one process computes and needs."""
    import torch

    from nst_teach import load_image, transfer
    from nst_teach.feedforward import load_fast
    from nst_teach.machine import peak_memory
    from nst_teach.precision import choose_precision, speedup

    torch.set_num_threads(1)
    content = load_image("chelsea", size=SIZE)
    style = load_image("night_swirls", size=SIZE)
    begun = time.perf_counter()
    run = transfer(content, style, steps=STEPS, optimizer="adam")
    seconds = time.perf_counter() - begun
    half = transfer(content, style, steps=HALF_STEPS, optimizer="adam", precision="bfloat16")
    with torch.no_grad():
        painted = load_fast("stained_glass")(content)
    return {
        "capability": torch.backends.cpu.get_cpu_capability(),
        "first": run.history[0].total,
        "last": run.history[-1].total,
        "half": half.history[HALF_STEPS - 1].total / run.history[HALF_STEPS - 1].total - 1,
        "painted": painted.flatten()[:: painted.numel() // 50].tolist(),
        "auto": f"{choose_precision('auto')} ({speedup('cpu'):.2f})",
        "seconds": seconds,
        "memory": peak_memory(),
    }


def child(environment: dict[str, str]) -> dict[str, object]:
    """What a process with these variables measures."""
    own = {**os.environ, **environment, "OMP_NUM_THREADS": "1", "NST_TEACH_PROGRESS": "0"}
    run = subprocess.run(
        [sys.executable, __file__, "--child"], env=own, stdout=subprocess.PIPE, check=True
    )
    return json.loads(run.stdout.splitlines()[-1])


def compare(one: dict, other: dict) -> tuple[float, float, float]:
    """How far two results are apart: the first loss, the last loss, the fast network's picture."""
    first, last = (abs(other[name] / one[name] - 1) for name in ("first", "last"))
    pairs = zip(one["painted"], other["painted"], strict=True)
    return first, last, max(abs(a - b) for a, b in pairs)


def main() -> int:
    """Run the command line."""
    if sys.argv[1:] == ["--child"]:
        print(json.dumps(measure()))
        return 0
    print(
        f"{'':12} {'torch':9} {'auto':17} {'loss':>9} {'bfloat16':>9} "
        f"{'first':>8} {'last':>8} {'picture':>8} {'s':>6} {'GB':>5}"
    )
    usual, agree = None, True
    for name, environment in SETTINGS.items():
        found = child(environment)
        usual = usual or found
        apart = compare(usual, found)
        agree &= all(a <= b for a, b in zip(apart, (ONE_STEP, AFTER_STEPS, PICTURE), strict=True))
        agree &= abs(found["half"]) <= HALF
        print(
            f"{name:12} {found['capability']:9} {found['auto']:17} {found['last']:9,.0f} "
            f"{found['half']:9.1e} {apart[0]:8.1e} {apart[1]:8.1e} {apart[2]:8.1e} "
            f"{found['seconds']:6.1f} {found['memory'] / 1e9:5.2f}",
            flush=True,
        )
    print("The results agree." if agree else "The results do not agree.")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
