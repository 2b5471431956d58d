"""Maps of every layer of a network: model and batch in, maps of chosen layers and classes out."""
