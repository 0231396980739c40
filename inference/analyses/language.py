"""A text's language as a BCP 47 code, from its script and its commonest words. Pure.

A guess: captions are short. Scripts that one language owns decide at once; for Latin letters, a language needs one of
its own words or letters, plain English letters pass as `en`, and anything else is `und`.
"""

import re
import unicodedata

_SCRIPTS = (
    ("HIRAGANA", "ja"),
    ("KATAKANA", "ja"),
    ("HANGUL", "ko"),
    ("CJK", "zh"),
    ("GREEK", "el"),
    ("HEBREW", "he"),
    ("THAI", "th"),
    ("ARABIC", "ar"),
    ("DEVANAGARI", "hi"),
    ("CYRILLIC", "ru"),
)
"""In the order they win: kana beside Chinese characters is Japanese."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_WORDS = {
    "de": _set("der die das und ist nicht ein eine mit für auf von zu den dem bitte ausgang eingang"),
    "fr": _set("le la les des et est une avec pour dans sur du au aux sortie entrée vous nous"),
    "es": _set("el los las una y es con para por del al salida entrada usted más"),
    "it": _set("il gli della di che è con per uscita ingresso non sono"),
    "pt": _set("os uma não com para por saída do da dos das é"),
    "nl": _set("het een en is niet met voor van op uitgang ingang"),
    "en": _set("the and is of to in for on with at you your exit entrance open closed please this"),
}
_LETTERS = {"de": "äöüß", "fr": "çèêëîïœûù", "es": "ñ¿¡", "pt": "ãõ"}
_WORD = re.compile(r"[^\W\d_]+")


def language_of(text: str) -> str:
    """`en`, `de`, `zh`, ... or `und`."""
    names = [unicodedata.name(letter, "") for letter in text if letter.isalpha()]
    for script, code in _SCRIPTS:
        if sum(name.startswith(script) for name in names) * 3 > len(names):
            return code
    return _latin(text.lower())


def _latin(text: str) -> str:
    words = _WORD.findall(text)
    points = {code: sum(word in known for word in words) for code, known in _WORDS.items()}
    for code, letters in _LETTERS.items():
        points[code] += 2 * any(letter in letters for letter in text)
    best = max(points, key=lambda code: (points[code], code == "en"))
    if points[best]:
        return best
    return "en" if any(len(word) >= 3 and word.isascii() and _sounds(word) for word in words) else "und"


def _sounds(word: str) -> bool:
    """True when the letters could be spoken: a vowel among them, and not only vowels."""
    vowels = sum(letter in "aeiouy" for letter in word)
    return 0 < vowels < len(word)
