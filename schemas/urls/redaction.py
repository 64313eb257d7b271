"""Hides the secrets of URLs in all that is published, logged or shown: one function for texts of any kind.

Secrets are users and passwords, and the values of parameters that sign a request or name a session or an account, also
in URLs that are escaped inside other URLs. Work folders, image stores and WARCs keep whole URLs, which a fetch needs.
"""

import re
from urllib.parse import unquote

MAY_HOLD_SECRETS = "[@=]|%(25)*(3|40)"
"""Matches every text that `redacted` changes."""
HIDDEN = "..."
"""Text in place of a secret value."""
_INNER_QUOTE = r"'(?=[\w%~+/=-])"
"""A quotation mark inside a URL; one that ends a URL in a text is followed by another character."""
_USER = re.compile(
    r"""((?<![\w+.-])(?:https?|ftps?|wss?):[/\\]*|:\\?/\\?/|(?:^|(?<=[\s"'<>=(,]))//)"""
    rf"""(?:[^/?#\s"'<>]|{_INNER_QUOTE})*@""",
    re.I,
)
_ESCAPED_USER = re.compile(
    r"((?:%(?:25)*3A|=)(?:%(?:25)*2F){2})(?:(?!%(?:25)*2F)[^&/?#\s\"'<>])*(?:@|%(?:25)*40)", re.I
)
_LONG_VALUE = r"(?=(?:=|%(?:25)*3D)[\w-]{20,}(?![\w./-]))"
_HEX_VALUE = r"(?=(?:=|%(?:25)*3D)[0-9a-f]{32,}(?![\w./-]))"
_WORD = r"(?:[\w.~\[\]-]|%(?:25)*5[BD])*"
_NAMES = rf"""
    {_WORD}(?:signature|credential|secret|token|passw|passphrase|jwt|hmac|authorization|bearer|csrf|xsrf|verifier
      |sess(?:ion)?[_-]?(?:id|key)){_WORD}
  | {_WORD}(?:api|access|auth|private|account|license)[_.-]?key(?:[_.-]?id)?
  | [\w.~-]*accessid | (?:x-)?sign? | q-ak | pwd? | (?:user_?)?pass | otp | auth | sess | hdn[a-z]+ | __gda__
  | key-pair-id
  | (?:key|policy|code|nonce|ticket|session|sid|oh){_LONG_VALUE}
  | (?:s|mac){_HEX_VALUE}
"""
_CHARACTER = r"(?!%(?:25)*2[36])[^&;?\#\s\"'<>\\"
_VALUE = rf"(?:{_CHARACTER}]|{_INNER_QUOTE})*{_CHARACTER}:,.)]"
_START = r"[?&;\#]|\\u0026|%(?:25)*(?:2[36]|3[BF])"
_PARAMETER = re.compile(rf"({_START})({_NAMES})(=|%(?:25)*3D){_VALUE}", re.I | re.X)
"""A parameter with its value, which does not end with the punctuation of a sentence."""
_ESCAPED_NAME = re.compile(rf"([?&;\#])([\w.~\[\]-]*%[3-7][\w.~\[\]%-]*)(=){_VALUE}", re.X)
"""A parameter with escapes in its name, such as `%74oken`."""
_NAME = re.compile(rf"(?:{_NAMES})(?==)", re.I | re.X)
_QUERY = re.compile(rf"(\w://[^\s?\"'<>]*)\?(?:[^\s\"'<>]|{_INNER_QUOTE})*")
_EXPIRES = re.compile(r"[?&;](?:[\w-]*expir\w*|exp|e|se|valid_?to|deadline|ttl)=\d", re.I)
_LONG = re.compile(r"([?&;][\w.~-]+=)[\w%~+/=-]{16,}(?=[&;#\s\"'<>]|$)")
"""A long value; in a query that expires, it may be a signature of any name."""


def redacted(text: str, *, queries: bool = False) -> str:
    """Return a text without the secrets of its URLs; with `queries`, as in logs, also without their whole queries."""
    if queries:
        text = _QUERY.sub(rf"\1?{HIDDEN}", text)
    if "@" in text or "40" in text:
        text = _ESCAPED_USER.sub(r"\1", _USER.sub(r"\1", text))
    if "=" in text or "%3" in text or "%25" in text:
        text = _PARAMETER.sub(rf"\1\2\3{HIDDEN}", text)
        text = _ESCAPED_NAME.sub(_hide_escaped, text) if "%" in text else text
        if _EXPIRES.search(text):
            text = _LONG.sub(rf"\1{HIDDEN}", text)
    return text


def _hide_escaped(match: re.Match[str]) -> str:
    start, name, equals = match.groups()
    secret = _NAME.match(f"{unquote(name)}{match[0][len(start) + len(name) :]}")
    return f"{start}{name}{equals}{HIDDEN}" if secret else match[0]
