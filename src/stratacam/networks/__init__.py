"""VGG16 and VGG19 with global average pooling, their ImageNet weights, and models on disk."""
