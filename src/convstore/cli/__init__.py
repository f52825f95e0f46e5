"""The ``convstore`` command: one module per group of verbs."""
