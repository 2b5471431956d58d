"""Names of methods for readers."""

METHODS = {
    "gradcam": "Grad-CAM",
    "gradcam++": "Grad-CAM++",
    "xgradcam": "XGrad-CAM",
    "hirescam": "HiResCAM",
    "multiscale_gradcam": "multi-scale Grad-CAM",
    "layercam": "LayerCAM",
}
"""As their papers write them."""


def method_title(method: str) -> str:
    """A method's name; as it is where no paper gave it another.

    Example:
        >>> method_title("layercam"), method_title("my_method")
        ('LayerCAM', 'my_method')
    """
    return METHODS.get(method, method)
