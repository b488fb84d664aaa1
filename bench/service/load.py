#!/usr/bin/env python3
"""Load and faults: what `libellus serve` does under both, over loopback.

    load.py EXECUTABLE BOOKS.jsonl EMBEDDINGS.csv QUERIES.txt [PART ...]

Wants Debian's `wrk`. BOOKS and EMBEDDINGS (`libellus export embeddings`) make the catalogue; QUERIES are many, one a line,
none twice. Parts: searches, warm, embeddings, overload, idle, term, kill; all if none is named. `postgres` wants DATABASE, an
empty one, and STOP and START, commands that stop and start its server, in the environment.
"""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

EXECUTABLE, BOOKS, EMBEDDINGS, QUERIES = sys.argv[1:5]
HERE = os.path.dirname(os.path.abspath(__file__))


class Service:
    """A running service on a free port."""

    def __init__(self, database, **environment):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(
            [EXECUTABLE, "serve", "--port", str(self.port), "--db", database],
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while self.status("/ready") != 200 or self.status("/api/search?q=warm") != 200:
            if self.process.poll() is not None:
                sys.exit(f"the service ended with {self.process.returncode}")
            time.sleep(0.02)

    def status(self, path):
        try:
            return self.reply("GET", path)[0]
        except OSError:
            return None

    def reply(self, method, path, body=None, headers=()):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, dict(headers))
        reply = connection.getresponse()
        return reply.status, reply.read(), reply.headers

    def rss_mb(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) / 1024

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait()

    def wrk(self, connections, seconds, **environment):
        """What wrk says: replies a second by status, p50 and p99 in milliseconds."""
        command = ["wrk", "-t2", f"-c{connections}", f"-d{seconds}", "--timeout", "20", "-s", f"{HERE}/search.lua"]
        said = subprocess.run(
            [*command, f"http://127.0.0.1:{self.port}"],
            env={**os.environ, "QUERIES": QUERIES, **environment},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        statuses = {int(status): float(rate) for status, rate in re.findall(r"status (\d+) ([\d.]+)/s", said)}
        p50, p99 = (float(re.search(rf"{name} ([\d.]+) ms", said)[1]) for name in ("p50", "p99"))
        return statuses, p50, p99


def run(*arguments, **options):
    return subprocess.run([EXECUTABLE, *arguments], check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def catalogue(folder):
    database = os.path.join(folder, "books.db")
    run("import", "--no-embed", "--db", database, BOOKS, stderr=subprocess.DEVNULL)
    run("import", "embeddings", "--db", database, EMBEDDINGS)
    return database


def shown(statuses, p50, p99):
    rates = ", ".join(f"{status}: {rate:.0f}/s" for status, rate in sorted(statuses.items()))
    return f"{rates}; p50 {p50:.1f} ms, p99 {p99:.1f} ms"


def searches(database):
    service = Service(database)
    print("searches, distinct, 32 connections:", shown(*service.wrk(32, 15)))
    service.stop()


def warm(database):
    service = Service(database)
    service.wrk(8, 5, DISTINCT="300")
    print("searches, 300 again and again, 32 connections:", shown(*service.wrk(32, 15, DISTINCT="300")))
    service.stop()


def embeddings(database):
    texts = [json.loads(line)["description"] for line, _ in zip(open(BOOKS), range(2000))]
    texts = [text for text in texts if text][:1024]
    service = Service(database)
    for _ in range(3):
        started = time.perf_counter()
        for at in range(0, len(texts), 128):
            body = json.dumps({"model": "x", "input": texts[at : at + 128], "encoding_format": "base64"})
            status, _, _ = service.reply("POST", "/v1/embeddings", body, [("Content-Type", "application/json")])
            assert status == 200, status
        over_http = len(texts) / (time.perf_counter() - started)
        started = time.perf_counter()
        run("embed", "--format", "npy", "--output", "/dev/null", input="\n".join(texts))
        alone = len(texts) / (time.perf_counter() - started)
        print(f"/v1/embeddings, 128 at a time: {over_http:.0f} texts/s; `libellus embed` {alone:.0f}: {over_http / alone:.2f}")
    service.stop()


def overload(database):
    service = Service(database)
    peak, _, _ = service.wrk(32, 15)
    before = service.rss_mb()
    statuses, p50, p99 = service.wrk(1024, 60)
    ratio = statuses[200] / peak[200]
    print(f"32 connections: {peak[200]:.0f}/s; 1,024 for 60 s: {shown(statuses, p50, p99)}")
    print(f"answered: {ratio:.2f} of the peak; memory {before:.0f} MB before, {service.rss_mb():.0f} MB after")
    service.stop()


def idle(database):
    service = Service(database)
    held, stop = [], threading.Event()

    def hold():
        """1,000 that send nothing, 200 that send a byte a second; those that are let go come again."""
        while not stop.is_set():
            while len(held) < 1200:
                held.append(socket.create_connection(("127.0.0.1", service.port)))
            for at, connection in enumerate(held[1000:], 1000):
                try:
                    connection.send(b"G" if at % 2 else b"POST /v1/embeddings HTTP/1.1\r\nContent-Length: 9999\r\n\r\n {")
                except OSError:
                    held[at] = socket.create_connection(("127.0.0.1", service.port))
            stop.wait(1)

    for turn in range(3):
        alone = service.wrk(4, 10)
        stop.clear()
        holding = threading.Thread(target=hold)
        holding.start()
        time.sleep(2)
        beside = service.wrk(4, 10)
        stop.set()
        holding.join()
        for connection in held:
            connection.close()
        held.clear()
        print(f"4 connections: {shown(*alone)}; beside 1,200 others: {shown(*beside)}; p99 × {beside[2] / alone[2]:.2f}")
    service.stop()


# A request that crosses with the closing of a connection that was kept open is answered by neither side, and clients ask
# again (RFC 9112, section 9.3.1); one that the service had for longer than this it had accepted.
CROSSED_S = 0.005


def ask(service, path, whole, lost, crossed, until):
    """Asks on kept connections until the port is closed; a request that was sent whole and got no whole reply is lost."""
    while not until.is_set():
        try:
            connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
            connection.connect()
        except OSError:
            return
        while not until.is_set():
            try:
                connection.request("GET", path)
            except OSError:
                break
            sent = time.perf_counter()
            try:
                reply = connection.getresponse()
                reply.read()
            except (OSError, http.client.HTTPException) as problem:
                waited = time.perf_counter() - sent
                is_crossed = isinstance(problem, ConnectionError) and waited < CROSSED_S
                (crossed if is_crossed else lost).append((waited, problem))
                break
            whole.append(reply.status)
            if reply.headers.get("connection") == "close":
                break


def term(database):
    lost, crossed, whole = [], [], []
    for turn in range(5):
        service, until = Service(database, LIBELLUS_CACHE="0"), threading.Event()
        path = "/api/search?q=a+story+of+the+sea"
        clients = [threading.Thread(target=ask, args=(service, path, whole, lost, crossed, until)) for _ in range(16)]
        for client in clients:
            client.start()
        time.sleep(1)
        service.stop()
        until.set()
        for client in clients:
            client.join()
    print(f"SIGTERM under load, 5 times: {len(whole)} replies, {len(lost)} lost {lost[:3]}, {len(crossed)} crossed")


def kill(database):
    acknowledged, turns = set(), 50
    key = run("key", "create", "load", "--scope", "write", "--db", database, stderr=subprocess.DEVNULL).strip()
    headers = [("Authorization", f"Bearer {key}"), ("Content-Type", "application/json")]
    upload = "".join(f'{{"id":"u{n}","title":"Uploaded {n}"}}\n' for n in range(20_000))
    for turn in range(turns):
        service = Service(database)

        def write(worker):
            for n in range(10_000):
                book, body = f"k{turn}-{worker}-{n}", json.dumps({"title": f"Book {turn} {worker} {n}"})
                try:
                    status, _, _ = service.reply("PUT", f"/api/books/{book}", body, headers)
                except (OSError, http.client.HTTPException):
                    return
                if status in (200, 201):
                    acknowledged.add(book)

        def load():
            try:
                service.reply("POST", "/api/imports", upload, [headers[0], ("Content-Type", "application/jsonl")])
            except (OSError, http.client.HTTPException):
                pass

        writers = [threading.Thread(target=write, args=(worker,)) for worker in range(4)] + [threading.Thread(target=load)]
        for writer in writers:
            writer.start()
        time.sleep(0.3 + 0.02 * turn)
        service.stop(signal.SIGKILL)
        for writer in writers:
            writer.join()
    there = {json.loads(line)["id"] for line in run("export", "books", "--db", database, "--format", "jsonl").splitlines()}
    said = subprocess.run([EXECUTABLE, "check", "--db", database], stdout=subprocess.PIPE, text=True).stdout
    missing = acknowledged - there
    print(f"SIGKILL {turns} times: {len(acknowledged)} writes acknowledged, {len(missing)} missing; the catalogue:\n{said}")


def postgres(_):
    database = os.environ["DATABASE"]
    run("import", "--no-embed", "--db", database, BOOKS, stderr=subprocess.DEVNULL)
    run("import", "embeddings", "--db", database, EMBEDDINGS)
    service = Service(database, LIBELLUS_CACHE="0")
    seen, until = [], threading.Event()

    def watch():
        while not until.is_set():
            try:
                status, _, headers = service.reply("GET", "/api/search?q=a+story+of+the+sea")
                seen.append((time.perf_counter(), status, headers.get("retry-after")))
            except OSError as problem:
                seen.append((time.perf_counter(), str(problem), None))

    watchers = [threading.Thread(target=watch) for _ in range(8)]
    for watcher in watchers:
        watcher.start()
    time.sleep(3)
    subprocess.run(os.environ["STOP"], shell=True, check=True, stdout=subprocess.DEVNULL)
    time.sleep(10)
    started = time.perf_counter()
    subprocess.run(os.environ["START"], shell=True, check=True, stdout=subprocess.DEVNULL)
    accepts = time.perf_counter()
    time.sleep(10)
    until.set()
    for watcher in watchers:
        watcher.join()
    kinds = sorted({(status, after) for _, status, after in seen}, key=str)
    recovered = min(at for at, status, _ in seen if status == 200 and at > started)
    print(f"PostgreSQL stopped and started: replies {kinds}; answers again {recovered - accepts:.1f} s after it accepts")
    service.stop()


def main():
    names = sys.argv[5:] or ["searches", "warm", "embeddings", "overload", "idle", "term", "kill"]
    with tempfile.TemporaryDirectory() as folder:
        database = catalogue(folder)
        for name in names:
            globals()[name](database)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
