"""The command line: loading an application and rendering the answers."""
