"""Text cells: the text itself."""

import hashlib
import unicodedata


def hash_text(text: str) -> str:
    """Return the sha256 of a text; white space around it and the way accents are composed do not count."""
    return hashlib.sha256(unicodedata.normalize("NFC", text).strip().encode("utf-8", "surrogatepass")).hexdigest()
