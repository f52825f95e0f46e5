"""Answers auditors from the log itself: what happened, who did it, and why somebody sees what he sees."""
