"""A trained model and prepared scans to stored maps of every layer, on the patient's own scan."""
