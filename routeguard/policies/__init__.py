"""The policies: one folder or file for each, and the order in which they nest."""
