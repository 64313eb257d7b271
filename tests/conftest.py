"""Property tests count examples, never time: a busy machine must not fail them."""

from hypothesis import settings

settings.register_profile("loom", deadline=None)
settings.load_profile("loom")
