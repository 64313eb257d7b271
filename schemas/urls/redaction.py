"""Hides the secrets of URLs in all that is published, logged or shown: one function for texts of any kind.

Secrets are users and passwords, and the values of parameters that sign a request or name a session or an account, also
in URLs that are escaped inside other URLs. Work folders, image stores and WARCs keep whole URLs, which a fetch needs.
"""

import re

MAY_HOLD_SECRETS = "[@=]|%(25)*(3|40)"
"""Matches every text that `redacted` changes."""
HIDDEN = "..."
"""Text in place of a secret value."""
_USER = re.compile(r"(?<=://)[^/?#\s\"'<>]*@")
_ESCAPED_USER = re.compile(r"(%(?:25)*3A(?:%(?:25)*2F){2})(?:(?!%(?:25)*2F)[^&/?#\s\"'<>])*(?:@|%(?:25)*40)", re.I)
_LONG_VALUE = r"(?=(?:=|%(?:25)*3D)[\w-]{20,}(?![\w./-]))"
_NAMES = rf"""
    [\w.~-]*(?:signature|credential|secret|token|passw|passphrase|jwt|hmac|authorization|session[_-]?(?:id|key))[\w.~-]*
  | [\w.~-]*(?:api|access|auth|private|account|license)[_.-]?key(?:[_.-]?id)?
  | [\w.~-]*accessid | (?:x-)?sign? | q-ak | pwd | pass | auth | hdn[a-z]+ | __gda__ | key-pair-id
  | (?:key|policy|code|nonce|ticket|session|sid|oh){_LONG_VALUE}
"""
_CHARACTER = r"(?!%(?:25)*2[36])[^&;?\#\s\"'<>\\"
_PARAMETER = re.compile(
    rf"([?&;]|\\u0026|%(?:25)*(?:26|3[BF]))({_NAMES})(=|%(?:25)*3D)(?:{_CHARACTER}])*{_CHARACTER}:,.)]", re.I | re.X
)
"""A parameter with its value, which does not end with the punctuation of a sentence."""
_QUERY = re.compile(r"(\w://[^\s?\"'<>]*)\?[^\s\"'<>]*")
_EXPIRES = re.compile(r"[?&;](?:[\w-]*expir\w*|exp|e|se|valid_?to|deadline|ttl)=\d", re.I)
_LONG = re.compile(r"([?&;][\w.~-]+=)[\w%~+/=-]{16,}(?=[&;#\s\"'<>]|$)")
"""A long value; in a query that expires, it may be a signature of any name."""


def redacted(text: str, *, queries: bool = False) -> str:
    """Return a text without the secrets of its URLs; with `queries`, as in logs, also without their whole queries."""
    if queries:
        text = _QUERY.sub(rf"\1?{HIDDEN}", text)
    if "@" in text or "%40" in text:
        text = _ESCAPED_USER.sub(r"\1", _USER.sub("", text))
    if "=" in text or "%3" in text:
        text = _PARAMETER.sub(rf"\1\2\3{HIDDEN}", text)
        if _EXPIRES.search(text):
            text = _LONG.sub(rf"\1{HIDDEN}", text)
    return text
