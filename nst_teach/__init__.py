"""nst_teach: neural style transfer, small enough to read in an evening.

Read it in the order in which data comes through: `samples`, `images`, `networks`, `losses`,
`objective`, `optimizers`, `transfer`; then what shows things to people: `plots`, `studio`, `cli`.
The course "Painting with Gradients" explains each part.
"""

from nst_teach import _torch as _torch  # first: it says how to get torch
from nst_teach import samples
from nst_teach.adapter import adapt_network
from nst_teach.images import (
    ImageError,
    deprocess,
    load_image,
    preprocess,
    resize,
    save_image,
    to_pil,
)
from nst_teach.losses import ShapeError, content_loss, gram_matrix, style_loss, total_variation
from nst_teach.networks import FeatureNetwork, NetworkError, load_network, save_weights
from nst_teach.objective import Losses, StyleObjective
from nst_teach.optimizers import one_blas_thread
from nst_teach.studio import studio
from nst_teach.transfer import Record, Result, TransferError, optimize, transfer

__version__ = "0.1.0"

__all__ = [
    "FeatureNetwork",
    "ImageError",
    "Losses",
    "NetworkError",
    "Record",
    "Result",
    "ShapeError",
    "StyleObjective",
    "TransferError",
    "adapt_network",
    "content_loss",
    "deprocess",
    "gram_matrix",
    "load_image",
    "load_network",
    "one_blas_thread",
    "optimize",
    "preprocess",
    "resize",
    "samples",
    "save_image",
    "save_weights",
    "studio",
    "style_loss",
    "to_pil",
    "total_variation",
    "transfer",
]
