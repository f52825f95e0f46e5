"""The Web API: DHIS2's words, paths, texts and status codes, and nothing that decides."""
