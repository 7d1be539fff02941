"""`until_shutdown`: streams and WebSockets that end when the application shuts down."""
