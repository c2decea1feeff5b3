"""Import torch first: where it is missing, the error explains how to install it."""

try:
    import torch as torch
except (ImportError, OSError) as error:  # not installed, or a build that does not load here
    raise ImportError(
        f"torch cannot be loaded ({error}). Install it together with torchvision, in one command "
        "and from one index: pip install torch torchvision"
    ) from None
