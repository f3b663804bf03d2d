"""`keras.preprocessing.text`: texts become lists of word numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphflow.errors import AttributeValueError

FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'


def text_to_word_sequence(
    text: str, filters: str = FILTERS, lower: bool = True, split: str = " "
) -> list[str]:
    """The words of a text; the characters in `filters` part them like `split`."""
    text = text.lower() if lower else text
    table: dict[int, str | int | None] = {ord(c): split for c in filters}
    parted = text.translate(table)
    return [word for word in parted.split(split) if word]


class Tokenizer:
    """Numbers words by how often they occur, from 1 on (0 is for padding).

    num_words: only words with a smaller number count. oov_token: stands, as number 1, for words
    that are not known. char_level: characters are the words.
    """

    def __init__(
        self, num_words: int | None = None, filters: str = FILTERS, lower: bool = True,
        split: str = " ", char_level: bool = False, oov_token: str | None = None,
        document_count: int = 0, **kwargs: Any,
    ) -> None:
        self.num_words, self.oov_token, self.document_count = num_words, oov_token, document_count
        self.filters, self.lower, self.split = filters, lower, split
        self.char_level = char_level
        self.word_counts: Counter[str] = Counter()
        self.word_docs: Counter[str] = Counter()
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}

    def _words(self, text: Any) -> list[str]:
        if self.char_level or isinstance(text, (list, tuple)):
            return [w.lower() for w in text] if self.lower else list(text)
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    def fit_on_texts(self, texts: Iterable[Any]) -> None:
        """Counts the words of texts, or of lists of words, and numbers them anew."""
        for text in texts:
            words = self._words(text)
            self.document_count += 1
            self.word_counts.update(words)
            self.word_docs.update(set(words))
        ordered = [word for word, _ in self.word_counts.most_common()]
        first = [] if self.oov_token is None else [self.oov_token]
        self.word_index = {word: i for i, word in enumerate([*first, *ordered], 1)}
        self.index_word = {i: word for word, i in self.word_index.items()}

    def texts_to_sequences(self, texts: Iterable[Any]) -> list[list[int]]:
        """The numbers of the words; unknown ones are left out, or are the oov_token."""
        unknown = self.word_index.get(self.oov_token) if self.oov_token is not None else None
        found = []
        for text in texts:
            numbers = (self.word_index.get(word) for word in self._words(text))
            known = (unknown if n is None or self.num_words and n >= self.num_words else n
                     for n in numbers)
            found.append([n for n in known if n is not None])
        return found

    def sequences_to_texts(self, sequences: Iterable[Sequence[int]]) -> list[str]:
        """The words of numbers, with blanks between."""
        words = ((self.index_word.get(int(n), self.oov_token) for n in s) for s in sequences)
        return [" ".join(w for w in s if w is not None) for s in words]

    def texts_to_matrix(self, texts: Iterable[Any], mode: str = "binary") -> np.ndarray:
        """`sequences_to_matrix` of `texts_to_sequences`."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode)

    def sequences_to_matrix(
        self, sequences: Sequence[Sequence[int]], mode: str = "binary"
    ) -> np.ndarray:
        """float64 [texts, words]: "binary" 0 or 1, "count", or "freq" (count / length).

        Raises AttributeValueError for another mode.
        """
        if mode not in ("binary", "count", "freq"):
            raise AttributeValueError(f"sequences_to_matrix: mode must be 'binary', 'count' or "
                                      f"'freq', got {mode!r}.")
        out = np.zeros((len(sequences), self.num_words or len(self.word_index) + 1))
        for row, numbers in zip(out, sequences):
            for number, count in Counter(numbers).items():
                row[number] = {"binary": 1, "count": count, "freq": count / len(numbers)}[mode]
        return out


__all__ = ["Tokenizer", "text_to_word_sequence"]
