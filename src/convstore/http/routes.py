"""All routes, in one place: the table of contract section 1.5 and its neighbours. What serves each is imported here."""

from convstore.http.router import Route

# Below /api and /api/NN.
API: tuple[Route, ...] = ()

# Directly below the context path.
OUTSIDE: tuple[Route, ...] = ()
