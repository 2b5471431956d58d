"""Grad-CAM by a hook of its own and one plain backward: what the engine is held against."""

import torch


def gradcam(model, inputs, layer, score, *, kwargs=None, call=1, to_grid=lambda values: values):
    """Map (rows, *spatial) of one call of a layer; `score`: from what the model gives to one number.

    `to_grid` moves what the layer gives, and so its gradient, to (rows, channels, *spatial).
    """
    module = dict(model.named_modules(remove_duplicate=False))[layer]
    modes = {part: part.training for part in model.modules()}
    model.eval()
    kept, calls = {}, 0

    def hook(_module, _inputs, output):
        nonlocal calls
        calls += 1
        if calls != call:
            return None
        kept["leaf"] = output.detach().clone().requires_grad_()
        return kept["leaf"].clone()

    handle = module.register_forward_hook(hook)
    try:
        with torch.enable_grad():
            inputs = inputs if isinstance(inputs, tuple) else (inputs,)
            (gradient,) = torch.autograd.grad(score(model(*inputs, **(kwargs or {}))), kept["leaf"])
    finally:
        handle.remove()
        for part, mode in modes.items():
            part.training = mode
    activation, gradient = to_grid(kept["leaf"].detach()), to_grid(gradient)
    weights = gradient.flatten(2).mean(dim=2)
    return torch.einsum("bk,bk...->b...", weights, activation)


def assert_same_map(found, expected, share=1e-4):
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= share * expected.abs().max()
