"""What a release comes with: the licences of what it needs, and a bill of materials."""
