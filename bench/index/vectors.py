"""Synthetic vectors that look like those of books, and the check that they do.

A vector is made of a real book's: some of the way from the mean of all books to that book, and for the rest noise with the
covariance of what real neighbours differ by. So clusters, the common direction and the spectrum are those of real books.
"""

import json

import numpy as np

DIM = 384
# How far a vector goes along with its book, at least and at most.
NEAREST, FARTHEST = 0.9, 0.6
CHUNK = 50_000


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def read(path):
    return np.fromfile(path, np.float32).reshape(-1, DIM)


class Generator:
    def __init__(self, books, seed=1):
        self.random = np.random.default_rng(seed)
        self.mean = books.mean(0)
        self.centred = books - self.mean
        self.lengths = np.linalg.norm(self.centred, axis=1, keepdims=True)
        alike = books @ books.T
        np.fill_diagonal(alike, -1)
        neighbours = np.argsort(-alike, axis=1)[:, :20]
        chosen = neighbours[np.arange(len(books)), self.random.integers(0, neighbours.shape[1], len(books))]
        values, directions = np.linalg.eigh(np.cov((books - books[chosen]).T))
        self.noise = (directions * np.sqrt(np.maximum(values, 0))).astype(np.float32)
        self.noise /= np.sqrt((self.noise**2).sum())

    def make(self, count):
        book = self.random.integers(0, len(self.centred), count)
        along = self.random.uniform(FARTHEST, NEAREST, (count, 1)).astype(np.float32)
        noise = self.random.standard_normal((count, DIM), dtype=np.float32) @ self.noise.T
        return unit(self.mean + self.centred[book] * along + noise * self.lengths[book] * np.sqrt(1 - along**2))


def write(books, count, path):
    """Writes `count` vectors; an unfinished file has another name."""
    generator = Generator(books)
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as out:
        for first in range(0, count, CHUNK):
            generator.make(min(CHUNK, count - first)).tofile(out)
    unfinished.rename(path)


def tenth(vectors, queries):
    """Quartiles of the tenth best score of a query."""
    best = np.partition(queries @ vectors.T, -10, axis=1)[:, -10]
    return [round(float(x), 3) for x in np.percentile(best, [25, 50, 75])]


def likeness(books, vectors, queries):
    """What is compared of real and synthetic vectors, as rows of a table."""
    count = len(books)
    rows = []
    random = np.random.default_rng(2)
    for name, some in (("books", books[random.permutation(count)]), ("synthetic", vectors)):
        spectrum = np.linalg.eigvalsh(some[:count].T @ some[:count] / count)[::-1]
        scores = queries @ some[:count].T
        rows.append({
            "vectors": name,
            "mean": round(float(scores.mean()), 3),
            "deviation": round(float(scores.std()), 3),
            "energy": [round(float(spectrum[:m].sum()), 3) for m in (1, 64, 128, 192)],
            "tenth": {str(size): tenth(some[:size], queries) for size in (count // 8, count // 4, count // 2, count)},
        })
    rows[1]["tenth"] |= {str(size): tenth(vectors[:size], queries) for size in (50_000, 200_000) if size <= len(vectors)}
    return rows


def texts(path):
    """What is embedded of a file of books, JSON Lines: title, authors, subjects, description."""
    for line in path.read_text().splitlines():
        book = json.loads(line)
        authors = book.get("authors") or [book.get("author") or ""]
        parts = [book.get("title"), ", ".join(authors), "; ".join(book.get("subjects") or []), book.get("description")]
        yield ". ".join(part for part in parts if part)
