"""The API's own description, OpenAPI 3.1: typed descriptions of routes, and the document that is made of them."""
