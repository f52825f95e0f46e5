"""Files that messages carry: their bytes (``storage``), what is known of them (``service``), what goes (``sweep``)."""
