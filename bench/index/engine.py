"""One engine in one process: builds its index, then answers all queries each time that it is told to, on one thread.

    engine.py NAME WORK ROWS

Prints lines of JSON: first about the index, then for each line `go` the seconds of each query and the rows found. HNSW
indexes are built once, with all threads, and kept in WORK; their breadth of search is the least that reaches a recall of
0.99 on the queries.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from vectors import DIM

K = 10
RECALL = 0.99
BREADTHS = (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768)
M, EF_CONSTRUCTION = 16, 100


def resident_bytes():
    """Memory of the process's own: pages of files that it has in use are left out."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


def exact(vectors, queries):
    """The truth, by a product in 32-bit floats, in parts."""
    best = []
    for query in np.array_split(queries, max(1, len(queries) // 16)):
        scores = query @ vectors.T
        best.extend(np.argpartition(-scores, K, axis=1)[:, :K])
    return [set(map(int, rows)) for rows in best]


class Faiss:
    def __init__(self, vectors, _):
        import faiss

        faiss.omp_set_num_threads(1)
        self.index = faiss.IndexFlatIP(DIM)
        self.index.add(vectors)

    def search(self, query):
        return self.index.search(query[None], K)[1][0]


class Hnswlib:
    hnsw = True

    def __init__(self, vectors, path):
        import hnswlib

        self.index = hnswlib.Index(space="ip", dim=DIM)
        if path.exists():
            self.index.load_index(str(path), max_elements=len(vectors))
        else:
            self.index.init_index(max_elements=len(vectors), ef_construction=EF_CONSTRUCTION, M=M)
            self.index.add_items(vectors, num_threads=os.cpu_count())
            self.index.save_index(str(path))
        self.index.set_num_threads(1)

    def breadth(self, breadth):
        self.index.set_ef(breadth)

    def search(self, query):
        return self.index.knn_query(query, k=K, num_threads=1)[0][0]


class Usearch:
    hnsw = True

    def __init__(self, vectors, path):
        from usearch.index import Index

        settings = {"ndim": DIM, "metric": "ip", "dtype": "f32", "connectivity": M, "expansion_add": EF_CONSTRUCTION}
        self.index = Index(**settings)
        if path.exists():
            self.index.load(str(path))
        else:
            self.index.add(np.arange(len(vectors)), vectors, threads=os.cpu_count())
            self.index.save(str(path))

    def breadth(self, breadth):
        self.index.expansion_search = breadth

    def search(self, query):
        return self.index.search(query, K, threads=1).keys


class SqliteVec:
    def __init__(self, vectors, _):
        # Not `sqlite3`, which many builds of Python have without extensions.
        import apsw
        import sqlite_vec

        self.connection = apsw.Connection(":memory:")
        self.connection.enable_load_extension(True)
        self.connection.load_extension(sqlite_vec.loadable_path())
        self.connection.execute(f"create virtual table v using vec0(embedding float[{DIM}] distance_metric=cosine)")
        rows = ((row, vector.tobytes()) for row, vector in enumerate(vectors))
        with self.connection:
            self.connection.executemany("insert into v(rowid, embedding) values (?, ?)", rows)

    def search(self, query):
        sql = "select rowid from v where embedding match ? and k = ?"
        return [row for (row,) in self.connection.execute(sql, (query.tobytes(), K))]


ENGINES = {"faiss": Faiss, "hnswlib": Hnswlib, "usearch": Usearch, "sqlite-vec": SqliteVec}


def main():
    name, work, rows = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    vectors = np.fromfile(work / "vectors.f32", np.float32, count=rows * DIM).reshape(-1, DIM)
    queries = np.fromfile(work / "queries.f32", np.float32).reshape(-1, DIM)
    began = time.perf_counter()
    engine = ENGINES[name](vectors, work / f"{name}-{rows}.index")
    about = {"engine": name, "build": time.perf_counter() - began}
    truth = exact(vectors, queries) if hasattr(engine, "hnsw") else None
    del vectors
    about["memory"] = resident_bytes()
    if truth:
        for breadth in BREADTHS:
            engine.breadth(breadth)
            right = sum(len(found & set(map(int, engine.search(query)))) for found, query in zip(truth, queries))
            about |= {"breadth": breadth, "recall": right / (K * len(queries))}
            if about["recall"] >= RECALL:
                break
    print(json.dumps(about), flush=True)
    for line in sys.stdin:
        if line.strip() != "go":
            break
        seconds, found = [], []
        for query in queries:
            began = time.perf_counter()
            ids = engine.search(query)
            seconds.append(time.perf_counter() - began)
            found.append([int(row) for row in ids])
        print(json.dumps({"seconds": seconds, "found": found}), flush=True)


if __name__ == "__main__":
    main()
