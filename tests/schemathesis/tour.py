"""One client's way through every operation of the API, each with a request that makes sense and gets a 2xx."""

import hashlib
import http.client
import json
import struct
import urllib.parse
import uuid

LINES = ["epoch 1", "epoch 2"]


class Refused(Exception):
    pass


class Client:
    """Calls operations by method and path template, and keeps of each the last status and document that it accepted."""

    def __init__(self, url, headers):
        self.url, self.headers = url, headers
        self.statuses, self.accepted = {}, {}

    def open(self, method, template, body=None, query="", headers=(), **ids):
        """Sends a request and returns the connection with the answer, its body unread."""
        operation, headers = f"{method} /api/v1/{template}", self.headers | dict(headers)
        sent = body
        if isinstance(body, dict):
            sent, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.url).netloc, timeout=150)
        connection.request(method, f"/api/v1/{template.format(**ids)}{query}", sent, headers)
        answer = connection.getresponse()
        self.statuses[operation] = answer.status
        if answer.status // 100 != 2:
            raise Refused(f"{operation}: {answer.status} {answer.read().decode()}")
        if isinstance(body, dict):
            self.accepted[operation] = body
        return connection, answer

    def __call__(self, method, template, body=None, **more):
        """The answer: what its JSON holds, else its text."""
        connection, answer = self.open(method, template, body, **more)
        text = answer.read().decode(errors="replace")
        connection.close()
        is_json = answer.headers.get("Content-Type", "").startswith("application/json")
        return json.loads(text) if is_json and text else text

    def upload(self, content):
        sha256 = hashlib.sha256(content).hexdigest()
        self("PUT", "artifacts/{sha256}", content, sha256=sha256)
        return sha256


def predictions(dataset, split, n_right):
    """A safetensors file for a split of two classes that gets the first `n_right` images right."""
    labels = {idx: image["label"] for idx, image in enumerate(dataset["manifest"]["images"]) if image["split"] == split}
    guesses = [label if row < n_right else 1 - label for row, label in enumerate(labels.values())]
    tensors = {
        "logits": ("F32", [len(labels), 2], b"".join(struct.pack("<2f", 1 - guess, guess) for guess in guesses)),
        "labels": ("I64", [len(labels)], struct.pack(f"<{len(labels)}q", *labels.values())),
        "image_idx": ("I64", [len(labels)], struct.pack(f"<{len(labels)}q", *labels)),
    }
    header, offset = {"__metadata__": {"dataset_version": dataset["dataset"]["version"]}}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values())


def spec(**fields):
    return {"data": {"dataset": "mini"}, "adaptation": {"mode": "head_only"}, "fit": {"epochs": 2}, **fields}


class Worker:
    """A worker daemon, as far as the server can tell."""

    def __init__(self, client, dataset=None):
        self.client, self.dataset = client, dataset
        self.identity = {"id": str(uuid.uuid4()), "boot": str(uuid.uuid4()), "name": "tour", "device": {"kind": "cpu"}, "version": "0"}

    def claim(self, wait_s=20.0):
        claim = {"worker": self.identity, "request": str(uuid.uuid4()), "max": 1, "wait_s": wait_s}
        return self.client("POST", "leases", claim)["leases"]

    def tell(self, lease, what, body):
        return self.client("POST", f"leases/{{id}}/{what}", body, id=lease["id"])

    def finish(self, lease, n_right):
        is_training = lease["job"]["kind"] == "train"
        split = "val" if is_training else lease["job"]["split"]
        finish = {"outcome": "completed", "step": 20, "predictions": self.client.upload(predictions(self.dataset, split, n_right))}
        if is_training:
            finish |= {
                "model": self.client.upload(b"model"), "metrics": {"val_top1": n_right / 10, "val_loss": 0.7},
                "cost": {"images": 20, "seconds": 1.5, "n_params": 1000 * n_right, "latency_ms": 3.0, "device": "cpu", "precision": "f32"},
            }
        self.tell(lease, "finish", finish)


def data(client, known):
    client("GET", "datasets")
    dataset = client("GET", "datasets/{name}", name="mini")
    client("POST", "datasets", dataset["manifest"] | {"name": "tour"})
    content = b"a blob of the tour"
    sha256 = hashlib.sha256(content).hexdigest()
    client("PUT", "artifacts/{sha256}", content[:6], headers={"Content-Range": f"bytes 0-5/{len(content)}"}, sha256=sha256)
    client("GET", "artifacts/{sha256}/upload", sha256=sha256)
    client.upload(content)
    client("HEAD", "artifacts/{sha256}", sha256=sha256)
    client("GET", "artifacts/{sha256}", headers={"Range": "bytes=2-5"}, sha256=sha256)
    weights = client("GET", "weights")
    client("POST", "weights", {name: weights[0][name] for name in ("backbone", "sha256", "mean", "std", "interpolation", "crop_pct")})
    known["sha256"] += [sha256, weights[0]["sha256"]]
    known["version"].append(dataset["dataset"]["version"])
    known["backbone"].append(weights[0]["backbone"])
    known["weights"] += ["pretrained", "random"]
    known["format"] += ["csv", "md"]
    known["key"] += ["one", "another"]
    known["dataset"] += ["mini", "tour"]
    return dataset


def trials(client, known, worker):
    trial = client("POST", "trials", {"spec": spec()})["id"]
    for what in ("pause", "resume", "cancel", "retry"):
        client("POST", f"trials/{{id}}/{what}", id=trial)
    [lease] = worker.claim()
    client("POST", "heartbeats", {"worker": worker.identity, "leases": [lease["id"]]})
    progress = {"phase": "training", "epoch": 1, "n_epochs": 2, "step": 10, "n_steps": 20}
    points = [{"metric": "train_loss", "step": step, "epoch": step / 10, "value": 1 / step} for step in (5, 10)]
    worker.tell(lease, "metrics", {"points": points, "progress": progress})
    worker.tell(lease, "logs", {"first_line": 0, "lines": LINES})
    worker.tell(lease, "checkpoint", {"sha256": known["sha256"][0], "epoch": 1, "step": 10})
    worker.finish(lease, 8)
    client("POST", "trials/{id}/evaluate", {"split": "test", "reason": "the tour"}, id=trial)
    worker.finish(worker.claim()[0], 7)
    client("GET", "trials")
    client("GET", "trials/{id}", id=trial)
    client("GET", "trials/{id}/metrics", id=trial)
    client("GET", "trials/{id}/series", query="?metric=train_loss", id=trial)
    logs = client("GET", "trials/{id}/logs", id=trial)
    assert all(line in logs for line in LINES), logs
    client("GET", "workers")
    client("POST", "workers/{id}/release", id=worker.identity["id"])
    known["trial"].append(trial)
    known["lease"].append(lease["id"])
    known["worker"].append(worker.identity["id"])
    known["metric"] += ["train_loss", "val_top1", "test_top1"]


def sweeps(client, known, worker):
    """A sweep of three configurations and two seeds, trained, and what is read from such."""
    choices = {"optimizer": {"kind": "sgd", "lr": {"choice": [0.1, 0.2, 0.3]}}}
    asked = {"name": "tour", "base": spec(), "space": choices, "sampler": {"kind": "grid"}, "seeds": [0, 1]}
    client("POST", "sweeps/preview", asked)
    client("POST", "sweeps/estimate", asked)
    sweep = client("POST", "sweeps", asked)["id"]
    client("PUT", "sweeps/{id}/queueing", {"priority": 1}, id=sweep)
    client("POST", "sweeps/{id}/pause", {}, id=sweep)
    for what in ("resume", "cancel", "retry"):
        client("POST", f"sweeps/{{id}}/{what}", id=sweep)
    arms = {}
    for _ in range(6):
        [lease] = worker.claim()
        lr = lease["job"]["spec"]["optimizer"]["lr"]
        worker.finish(lease, round(10 * lr) + 5)
        arms.setdefault(f"lr {lr}", []).append(lease["trial"])
    client("GET", "sweeps")
    client("GET", "sweeps/{id}", id=sweep)
    client("GET", "sweeps/{id}/importance", id=sweep)
    client("GET", "sweeps/{id}/pareto", query="?against=n_params", id=sweep)
    arms = [{"name": name, "trials": ids} for name, ids in arms.items()]
    client("POST", "compare", {"dataset": "mini", "metric": "val_top1", "arms": arms})
    client("POST", "race", {"arms": arms, "confidence": 0.95, "max_runs": 60})
    client("GET", "leaderboard", query="?dataset=mini")
    client("GET", "transfer", query="?dataset=mini")
    entry = {"dataset": "mini", "method": "tour", "value": 0.9, "metric": "top1", "selection": "last", "confidence": "read"}
    client("POST", "sota", entry)
    client("GET", "sota", query="?dataset=mini")
    known["trial"] += [trial for arm in arms for trial in arm["trials"]]
    known["sweep"].append(sweep)


def external_sweep():
    """Its trials are trained by somebody else's code."""
    base = {"task": {"kind": "external", "params": {}}, "objective": {"metric": "value"}, "fit": {"epochs": 9}}
    space = {"task": {"params": {"x": {"uniform": [0.0, 1.0]}}}}
    return {"name": "external", "base": base, "space": space, "sampler": {"kind": "random"}, "budget": {"configs": 3}}


def external(client, known):
    sweep = client("POST", "sweeps", external_sweep())["id"]
    lease = client("POST", "sweeps/{id}/ask", {"wait_s": 20.0}, id=sweep)["lease"]
    client("POST", "leases/{id}/report", {"epoch": 1, "value": 0.5}, id=lease)
    client("POST", "leases/{id}/should_stop", id=lease)
    client("POST", "leases/{id}/complete", {"value": 0.9, "seconds": 2.0}, id=lease)
    known["external_sweep"].append(sweep)
    known["external_lease"].append(lease)


def access(client, known, login_token):
    made = client("POST", "tokens", {"name": "tour", "scope": "viewer"})
    client("POST", "tokens/{id}/rotate", {"overlap_s": 60}, id=made["id"])
    client("GET", "tokens")
    client("DELETE", "tokens/{id}", id=made["id"])
    known["token"].append(client("POST", "tokens", {"name": "to play with", "scope": "submitter"})["id"])
    enrolment = client("POST", "workers/enrolments", {"name": "tour"})
    client("POST", "workers/enroll", {"enrol_token": enrolment["token"], "worker": str(uuid.uuid4())})
    client("GET", "session")
    client("POST", "session/links")
    connection, answer = client.open("POST", "session", {"login_token": login_token})
    connection.close()
    page = Client(client.url, {"Cookie": answer.headers["Set-Cookie"].split(";")[0], "Origin": client.url})
    page("DELETE", "session")
    client.statuses |= page.statuses
    client("GET", "audit")


def events(client):
    """The first event of the stream; the rest never ends."""
    connection, answer = client.open("GET", "events", headers={"Last-Event-ID": "0-0"})
    first = answer.readline().decode()
    connection.close()
    assert first.startswith(("event:", "id:", "data:")), first


def kinds():
    """An empty list for everything that has ids or names."""
    names = "backbone dataset enrolment external_lease external_sweep format key lease metric sha256 sweep token trial version weights worker"
    return {name: [] for name in names.split()}


def tour(client, login_token):
    """Goes everywhere, and returns the ids of what is there now."""
    known = kinds()
    worker = Worker(client, data(client, known))
    trials(client, known, worker)
    sweeps(client, known, worker)
    external(client, known)
    access(client, known, login_token)
    events(client)
    return known


def stock(client, made):
    """Things that have just begun: what is tried on them meets states in which it can succeed."""
    for _ in range(3):
        made["trial"].append(client("POST", "trials", {"spec": spec()})["id"])
    client("POST", "trials/{id}/cancel", id=made["trial"][-1])
    made["sweep"].append(client("POST", "sweeps", {"name": "stock", "base": spec(), "seeds": [0, 1], "against": ["n_params"]})["id"])
    worker = Worker(client)
    for lease in worker.claim(0.0):
        made["lease"].append(lease["id"])
        made["trial"].append(lease["trial"])
    made["worker"].append(worker.identity["id"])
    made["external_sweep"].append(client("POST", "sweeps", external_sweep())["id"])
    made["external_lease"].append(client("POST", "sweeps/{id}/ask", {}, id=made["external_sweep"][-1])["lease"])
    made["token"].append(client("POST", "tokens", {"name": "stock", "scope": "viewer"})["id"])
    made["enrolment"].append(client("POST", "workers/enrolments", {"name": "stock"})["token"])
