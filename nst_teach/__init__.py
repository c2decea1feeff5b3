"""nst_teach: neural style transfer, small enough to read in an evening.

Read the modules in the order in which data passes through them: `samples`, `images`,
`weight_files`, `networks`, `losses`, `objective`, `starts`, `optimizers`, `records`, `plots`,
`results`, `run`, `facade`. The user interfaces, `studio` and `cli`, are built on top. The course
"Painting with Gradients" explains each part.
"""

from nst_teach import _torch as _torch  # first: it explains how to install torch
from nst_teach import samples
from nst_teach.adapter import adapt_network
from nst_teach.estimates import Estimate, estimate
from nst_teach.facade import transfer
from nst_teach.images import (
    ImageError,
    deprocess,
    load_image,
    preprocess,
    resize,
    save_image,
    to_pil,
)
from nst_teach.interactive import studio
from nst_teach.losses import (
    ShapeError,
    content_loss,
    gram_matrix,
    guided_gram_matrix,
    style_loss,
    total_variation,
)
from nst_teach.memory import TransferError
from nst_teach.networks import FeatureNetwork, NetworkError, load_network, save_weights
from nst_teach.objective import Losses, StyleObjective
from nst_teach.optimizers import one_blas_thread
from nst_teach.records import Record, Stop
from nst_teach.regions import RegionalObjective, Style
from nst_teach.results import Result
from nst_teach.run import optimize
from nst_teach.starts import make_start
from nst_teach.sweeps import SweepError, sweep

__version__ = "0.1.0"

__all__ = [
    "Estimate",
    "FeatureNetwork",
    "ImageError",
    "Losses",
    "NetworkError",
    "Record",
    "RegionalObjective",
    "Result",
    "ShapeError",
    "Stop",
    "Style",
    "StyleObjective",
    "SweepError",
    "TransferError",
    "adapt_network",
    "content_loss",
    "deprocess",
    "estimate",
    "gram_matrix",
    "guided_gram_matrix",
    "load_image",
    "load_network",
    "make_start",
    "one_blas_thread",
    "optimize",
    "preprocess",
    "resize",
    "samples",
    "save_image",
    "save_weights",
    "studio",
    "style_loss",
    "sweep",
    "to_pil",
    "total_variation",
    "transfer",
]
