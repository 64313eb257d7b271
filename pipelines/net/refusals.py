"""The settings that a refusal depends on: an outcome of our own policy holds as long as that policy does."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from corpusloom.pipelines.net.config import FetchConfig

DEPENDS_ON: dict[str, tuple[str, ...]] = {
    "address_not_public": ("allow_addresses",),
    "port_not_allowed": ("allow_addresses",),
    "robots_disallowed": ("robots_txt", "agents"),
    "robots_unavailable": ("robots_txt",),
    "crawl_delay_too_long": ("max_crawl_delay", "robots_txt", "agents"),
    "host_budget": ("max_fetches",),
    "too_many_redirects": ("max_redirects",),
    "header_too_large": ("max_header_bytes",),
    "body_too_large": ("max_image_bytes",),
    "decoded_too_large": ("max_image_bytes",),
    "decompression_bomb": ("max_image_bytes", "max_page_bytes", "max_ratio"),
    "tls_bad_certificate": ("ca_file",),
}
"""Reason of a rejection, or error class -> the fields of FetchConfig that decide it. All others are the server's."""
_OPT_OUT = "opt_out_"
_BLOCKED = "blocked_"
_SIGNALS = {"train_ai": "train-ai", "ai_train": "ai-train", "ai_txt": "ai.txt", "tdm_reservation": "tdm-reservation"}
"""Reason without `opt_out_` -> signal, where the two differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All settings that refuse URLs."""

    fetch: FetchConfig
    blocklists: str = ""
    """Hash of the blocklists; empty without any."""

    def settings_of(self, reason: str | None) -> str | None:
        """Return the settings that decide a reason, such as `allow_addresses=127.0.0.0/8`.

        None if all of them are the defaults, and for a reason that no setting decides.
        """
        if reason is None:
            return None
        if reason.startswith(_BLOCKED):
            return f"blocklists={self.blocklists}"
        if reason.startswith(_OPT_OUT):
            word = reason.removeprefix(_OPT_OUT)
            signal = _SIGNALS.get(word, word)
            return None if signal in self.fetch.honour or signal not in _DEFAULTS["honour"] else f"honour=-{signal}"
        values = ((name, getattr(self.fetch, name)) for name in DEPENDS_ON.get(reason, ()))
        return " ".join(f"{name}={_spell(value)}" for name, value in values if value != _DEFAULTS[name]) or None

    def decided(self, reason: str | None, settings: str | None) -> bool:
        """Return whether a refusal under the given settings holds under this policy."""
        if settings is None and (reason or "").startswith(_BLOCKED):
            return True  # stored before settings were
        return self.settings_of(reason) == settings


_DEFAULTS: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(FetchConfig)}


def _spell(value: object) -> str:
    return ",".join(sorted(map(str, value))) if isinstance(value, tuple) else str(value)
