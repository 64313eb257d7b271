"""Conceptual Captions: rules for captions by part of speech, and captions rewritten without names."""
