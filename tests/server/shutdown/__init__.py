"""Shutting down under open responses and shielded work."""
