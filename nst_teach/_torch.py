"""Load torch first, so that whoever lacks it reads how to get it, and not where it was missed."""

try:
    import torch as torch
except (ImportError, OSError) as error:  # missing, or a build that does not load on this machine
    raise ImportError(
        f"torch cannot be loaded ({error}). Install it together with torchvision, in one command "
        "and from one index: pip install torch torchvision"
    ) from None
