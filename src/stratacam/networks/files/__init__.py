"""Classifiers that people bring as a file: Keras, ONNX, torch.export, TorchScript, Lightning."""

from stratacam.networks.files.open import open_model
from stratacam.networks.files.opened import OpenedFile

__all__ = ["OpenedFile", "open_model"]
