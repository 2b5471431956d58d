"""Maps of every layer of a network: model and batch in, maps of chosen layers and classes out.

The modules, in the order in which a call meets them:

- `explain`: the calls. `batches` does them: `inputs` reads what the caller gives, `layers` finds layers by name,
  `methods` the methods.
- `trial`: runs the methods on a batch, and finds out on the first how the model has to be run.
- `twin`: what is run in the model's place, so that the model stays as it is; `copier` makes it.
- `task`: one batch; `scores` chooses the classes, and a `Run` makes one forward and a backward for each class.
- `capture`: one forward. `recorder` hooks the layers, and a `tap` holds what one gave, or how `repeated` computes it
  again. `watch` sees every operation; `origin` follows which values are probabilities, `axes` which axes of a tensor
  lie on the image, and `feature_map` says which outputs are maps of the image.
- `passes`: activations and gradients to raw maps, by the function of a method.
- `explanation`: the result. `views` rectifies, upsamples and normalises raw maps; `drawing` draws them, and `notebook`
  shows them.

`describe` lists the layers of a network, with the receptive fields that `receptive_field` follows.
"""

from stratacam.cam.batches import batches_by_method
from stratacam.cam.describe import Layer, list_layers
from stratacam.cam.explain import explain, explain_batches, explain_methods
from stratacam.cam.explanation import Explanation, LayerMaps
from stratacam.cam.layers import match_layers
from stratacam.cam.methods import METHODS, map_function
from stratacam.cam.views import fuse, upsample, view

__all__ = [
    "METHODS",
    "Explanation",
    "Layer",
    "LayerMaps",
    "batches_by_method",
    "explain",
    "explain_batches",
    "explain_methods",
    "fuse",
    "list_layers",
    "map_function",
    "match_layers",
    "upsample",
    "view",
]
