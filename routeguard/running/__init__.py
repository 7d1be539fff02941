"""What lives while an application runs or a request is handled."""
