"""Trainers of `cultivar-worker`, each a process that trains one job after another, in a pool.

They speak the frames of `worker/src/frame.rs`: a little-endian u32 length, then that many bytes of JSON.
"""

import json
import os
import queue
import shutil
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path


class Trainer:
    def __init__(self, worker: Path, n_threads: int, with_gpu: bool):
        env = os.environ | {"CULTIVAR_THREADS": str(n_threads), "CULTIVAR_LOG": "warn"}
        if not with_gpu:
            env["CUDA_VISIBLE_DEVICES"] = ""
        self.process = subprocess.Popen([worker, "trainer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        self.device = self.hear()["device"]

    def hear(self) -> dict:
        header = self.process.stdout.read(4)
        if len(header) < 4:
            raise EOFError("the trainer is gone")
        return json.loads(self.process.stdout.read(struct.unpack("<I", header)[0]))

    def train(self, job: dict) -> dict:
        """Objective by epoch (null where it is not finite), outcome and seconds of one job."""
        frame = json.dumps({"kind": "train", "jobs": [job]}).encode()
        self.process.stdin.write(struct.pack("<I", len(frame)) + frame)
        self.process.stdin.flush()
        curve = []
        while True:
            event = self.hear()
            if event["kind"] == "metrics":
                values = [point["value"] for point in event["points"] if point["metric"] == "val_top1"]
                curve += [value if isinstance(value, (int, float)) else None for value in values]
            elif event["kind"] == "done":
                result = event["result"]
                line = {"outcome": result["outcome"], "val_top1": curve, "seconds": round(result["cost"]["seconds"], 2)}
                return line | ({"error": result["error"]} if result["error"] else {})


class Pool:
    """Trains what it is given until it is all done or the time is up; what is half done by then is lost."""

    def __init__(self, worker: Path, n_slots: int, n_threads: int, with_gpu: bool, scratch: Path):
        self.new_trainer = lambda: Trainer(worker, n_threads, with_gpu)
        self.n_slots, self.scratch = n_slots, scratch
        self.trainers: list[Trainer] = []

    def run(self, jobs: list[tuple[dict, dict]], seconds: float, write) -> int:
        """`jobs`: (what identifies it, the job). Calls `write(identity, line)` for each that ended, one at a time.
        Returns how many did."""
        waiting, ended = queue.SimpleQueue(), queue.SimpleQueue()
        for job in jobs:
            waiting.put(job)
        threads = [threading.Thread(target=self.work, args=(waiting, ended), daemon=True) for _ in range(self.n_slots)]
        until = time.monotonic() + seconds
        for thread in threads:
            thread.start()
        n_ended = 0
        while n_ended < len(jobs):
            try:
                identity, line = ended.get(timeout=max(0.0, min(1.0, until - time.monotonic())))
            except queue.Empty:
                if time.monotonic() >= until or not any(thread.is_alive() for thread in threads):
                    break
                continue
            write(identity, line)
            n_ended += 1
        for trainer in self.trainers:
            trainer.process.kill()
        return n_ended

    def work(self, waiting: queue.SimpleQueue, ended: queue.SimpleQueue) -> None:
        trainer = self.new_trainer()
        self.trainers.append(trainer)
        while True:
            try:
                identity, job = waiting.get_nowait()
            except queue.Empty:
                return
            work_dir = tempfile.mkdtemp(dir=self.scratch)
            try:
                line = trainer.train(job["job"] | {"files": job["files"] | {"work_dir": work_dir}})
            except (EOFError, OSError):
                return
            finally:
                shutil.rmtree(work_dir, ignore_errors=True)
            ended.put((identity, line))
