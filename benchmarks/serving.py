"""`i2i serve`: its start, its requests a second and its memory, against the least that would do the same.

    python benchmarks/serving.py [start] [rates] [memory]

start    seconds to the address, to the page and to the first translation; against `import gradio` alone, and against a
         bare FastAPI server of the same model; once more after the packages' files left the system's cache.
rates    translations a second for 1, 4 and 10 clients at once, against the model called in a loop in one process, and
         against the bare server, which reads, translates and writes as PNG; the three in turn. All look for a face.
         The server alone also rebuilds the image, to tell whether it is like what the model was trained on.
memory   of the server after 50, 250 and 550 translations, and after as many events of the page.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from PIL import Image

ROUNDS = 5
SECONDS = 3.0
CLIENTS = (1, 4, 10)
PHOTO = Path("docs/astronaut.jpg")
ASKED = {"to": "anime"}

BARE = """
import io, sys
import uvicorn
from fastapi import FastAPI, Form, UploadFile
from fastapi.responses import Response
from PIL import Image
import i2i_cli as i2i
app, model = FastAPI(), i2i.load("faces")

@app.post("/api/translate")
def translate(image: UploadFile, to: str = Form()):
    made, out = model.translate(Image.open(io.BytesIO(image.file.read())), to, crop="auto"), io.BytesIO()
    made.save(out, "PNG")
    return Response(out.getvalue(), media_type="image/png")

class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print("http://127.0.0.1:%d" % self.servers[0].sockets[0].getsockname()[1], flush=True)

Server(uvicorn.Config(app, port=0, log_level="warning")).run()
"""

LOOP = """
import sys, time
import i2i_cli as i2i
model, path, seconds = i2i.load("faces"), sys.argv[1], float(sys.argv[2])
model.translate(path, "anime", crop="auto")
started, count = time.perf_counter(), 0
while time.perf_counter() - started < seconds:
    model.translate(path, "anime", crop="auto")
    count += 1
print(count / (time.perf_counter() - started))
"""

OURS = ["-m", "i2i_cli", "serve", "-w", "faces", "--port", "0"]


@contextlib.contextmanager
def serving(words: list[str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server as a process, and the address that it prints."""
    with tempfile.TemporaryDirectory() as scratch:
        environment = os.environ | {"TMPDIR": scratch}
        process = subprocess.Popen(
            [sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.terminate()
            process.wait()


def translated(client: httpx.Client, address: str, image: bytes) -> float:
    """Seconds of a request."""
    started = time.perf_counter()
    answer = client.post(f"{address}/api/translate", files={"image": ("a.png", image)}, data=ASKED)
    answer.raise_for_status()
    return time.perf_counter() - started


def first_times(words: list[str], page: str) -> list[float]:
    """Seconds from the start to the address, the first byte of `page`, and the first translation."""
    started, times = time.perf_counter(), []
    with serving(words) as (_, address), httpx.Client(timeout=60) as client:
        times.append(time.perf_counter() - started)
        with client.stream("GET", address + page) as answer:
            next(answer.iter_raw())
        times.append(time.perf_counter() - started)
        translated(client, address, PHOTO.read_bytes())
        return [*times, time.perf_counter() - started]


def forget_files() -> None:
    """Ask the system to drop the packages' files from its cache; what another process has mapped stays."""
    for path in Path(sys.prefix).rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file():
                file = os.open(path, os.O_RDONLY)
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(file)


def start(rounds: int = ROUNDS) -> None:
    """Print how long the server takes until it is of use."""
    importing = [sys.executable, "-c", "import gradio"]
    rows: dict[str, list[list[float]]] = {"i2i serve": [], "bare FastAPI server": [], "import gradio": []}
    for _ in range(rounds):
        rows["i2i serve"].append(first_times(OURS, "/"))
        rows["bare FastAPI server"].append(first_times(["-c", BARE], "/openapi.json"))
        started = time.perf_counter()
        subprocess.run(importing, check=True)
        rows["import gradio"].append([time.perf_counter() - started])
    medians = {name: [statistics.median(column) for column in zip(*times, strict=True)] for name, times in rows.items()}
    for name, times in medians.items():
        told = zip(("address", "page", "first translation"), times, strict=False)
        print(f"{name}: {', '.join(f'{what} {seconds:.2f} s' for what, seconds in told)} (median of {rounds})")
    ratio = medians["i2i serve"][0] / medians["import gradio"][0]
    print(f"address of i2i serve against `import gradio`: {ratio:.2f}")
    forget_files()
    cold = first_times(OURS, "/")
    print(f"files out of the cache, once: address {cold[0]:.2f} s, page {cold[1]:.2f} s, translation {cold[2]:.2f} s")


def rate(address: str, image: bytes, clients: int) -> tuple[float, list[float]]:
    """Translations a second by so many clients at once, and the seconds of each."""
    times: list[float] = []
    end = time.perf_counter() + SECONDS

    def ask() -> None:
        with httpx.Client(timeout=60) as client:
            while time.perf_counter() < end:
                times.append(translated(client, address, image))

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(times) / (time.perf_counter() - started), times


def alone(image: Path) -> float:
    """Translations a second of the model called in a loop."""
    command = [sys.executable, "-c", LOOP, str(image), str(SECONDS)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def rates(rounds: int = 3) -> None:
    """Print requests a second and their ratios to the references."""
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder, "small.png")
        Image.open(PHOTO).convert("RGB").resize((128, 128)).save(small)
        for name, image in (("128 px", small), ("photo of 512 px with a face", PHOTO)):
            _rates_of(name, image, rounds)


def _rates_of(name: str, image: Path, rounds: int) -> None:
    data = image.read_bytes()
    with serving(OURS) as (_, ours), serving(["-c", BARE]) as (_, bare):
        for address in (ours, bare):
            rate(address, data, 1)  # opened, and warm
        for clients in CLIENTS:
            found: list[tuple[float, float, float]] = []
            times: list[float] = []
            for _ in range(rounds):
                mine, seconds = rate(ours, data, clients)
                found.append((mine, rate(bare, data, clients)[0], alone(image)))
                times += seconds
            mine, other, model = (statistics.median(column) for column in zip(*found, strict=True))
            to_bare, to_model = (statistics.median(row[0] / row[place] for row in found) for place in (1, 2))
            cuts = statistics.quantiles(times, n=20)
            print(
                f"{name}, clients: {clients}: {mine:.1f} a second; {to_bare:.2f} of the bare route ({other:.1f}), "
                f"{to_model:.2f} of the model alone ({model:.1f}); p50 {1000 * cuts[9]:.0f} ms, "
                f"p95 {1000 * cuts[18]:.0f} ms",
                flush=True,
            )


def resident(process: subprocess.Popen[str]) -> float:
    """MiB that the process holds now."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def page_event(client: httpx.Client, address: str, session: str, fn_index: int, data: list[object]) -> None:
    """An event of the page, to its end."""
    body = {"data": data, "fn_index": fn_index, "session_hash": session, "trigger_id": None, "event_data": None}
    client.post(f"{address}/gradio_api/queue/join", json=body).raise_for_status()
    with client.stream("GET", f"{address}/gradio_api/queue/data", params={"session_hash": session}) as answer:
        for line in answer.iter_lines():
            if "process_completed" in line:
                assert json.loads(line.removeprefix("data: "))["success"], line
            if "close_stream" in line:
                return


def memory() -> None:
    """Print what the server holds after more and more work."""
    marks, image = (50, 250, 550), PHOTO.read_bytes()
    with serving(OURS) as (process, address), httpx.Client(timeout=60) as client:
        found = []
        for number in range(1, marks[-1] + 1):
            translated(client, address, image)
            found += [resident(process)] if number in marks else []
        print("translations:", ", ".join(f"{mark}: {size:.0f} MiB" for mark, size in zip(marks, found, strict=True)))
        config = client.get(f"{address}/config").json()
        index = next(one["id"] for one in config["dependencies"] if one["api_name"] == "classify")
        found = []
        started = time.perf_counter()
        for number in range(1, marks[-1] + 1):
            (path,) = client.post(f"{address}/gradio_api/upload", files={"files": ("a.jpg", image)}).json()
            upload = {"path": path, "meta": {"_type": "gradio.FileData"}}
            page_event(client, address, f"session{number}", index, ["faces", upload, "domains"])
            found += [resident(process)] if number in marks else []
        pace = marks[-1] / (time.perf_counter() - started)
        told = ", ".join(f"{mark}: {size:.0f} MiB" for mark, size in zip(marks, found, strict=True))
        print(f"then events of the page (an upload, its class), {pace:.1f} a second: {told}")


if __name__ == "__main__":
    for wanted in sys.argv[1:] or ["start", "rates", "memory"]:
        {"start": start, "rates": rates, "memory": memory}[wanted]()
