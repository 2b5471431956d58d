"""NiiVue on a machine without a graphics card: why the viewer draws slices itself."""
