"""What is there before anything is computed: scans, groups and faults of a BIDS folder or a table."""
