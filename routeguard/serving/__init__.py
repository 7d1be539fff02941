"""How a request is served: set-up, plans, dispatcher, response hook."""
