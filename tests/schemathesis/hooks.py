"""Loaded by schemathesis: ids that exist in place of invented ones, documents close to accepted ones, and a line for every
answer."""

import hashlib
import json
import os
import random
import uuid
from pathlib import Path

import schemathesis
from schemathesis.transport.serialization import Binary
from tour import Client, kinds, stock

told = json.loads(Path(os.environ["CULTIVAR_TOLD"]).read_text())
known, made = told["known"], kinds()
client = Client(told["url"], {"Authorization": f"Bearer {told['token']}"})
dice = random.Random(told["seed"])
answers = open(told["answers"], "a")

# What the ids are of in a path below this segment or before that one, and in a field or parameter of this name.
OF_SEGMENT = {
    "artifacts": "sha256", "datasets": "dataset", "leases": "lease", "sweeps": "sweep", "tokens": "token", "trials": "trial",
    "workers": "worker",
}
OF_ACTION = {"ask": "external_sweep", "report": "external_lease", "should_stop": "external_lease", "complete": "external_lease"}
OF_FIELD = {
    "dataset": "dataset", "version": "version", "sha256": "sha256", "model": "sha256", "predictions": "sha256", "trials": "trial",
    "leases": "lease", "learn_from": "sweep", "worker": "worker", "sweep": "sweep", "token": "token", "enrol_token": "enrolment",
    "backbone": "backbone", "weights": "weights", "format": "format", "Idempotency-Key": "key",
}
MADE = {
    "POST /api/v1/trials": "trial", "POST /api/v1/sweeps": "sweep", "POST /api/v1/tokens": "token",
    "POST /api/v1/tokens/{id}/rotate": "token",
}
# What a request may ask of the server's time.
MOST = {"wait_s": 0.05, "configs": 30}
STOCK_EVERY = 25
n_called = 0


def pick(kind, otherwise, share=0.5):
    """Often one that exists."""
    pools = [pool[kind][-20:] for pool in (known, made) if pool.get(kind)]
    return dice.choice(dice.choice(pools)) if pools and dice.random() < share else otherwise


def laid_over(accepted, generated, share):
    """A document that was accepted, with some of another's fields."""
    if isinstance(accepted, dict) and isinstance(generated, dict):
        kept = {key: value for key, value in generated.items() if key in accepted or dice.random() < share}
        return accepted | {key: laid_over(accepted.get(key, value), value, share) for key, value in kept.items()}
    return generated if dice.random() < share else accepted


def filled(value, name=""):
    """A document with ids that exist."""
    if isinstance(value, dict):
        return {key: filled(child, key) for key, child in value.items()}
    # The images of a manifest are no artifacts.
    if isinstance(value, list) and name != "images":
        return [filled(child, name) for child in value]
    if isinstance(value, str):
        # JSON has a NUL in its texts, and Postgres none.
        text = value + "\0" if dice.random() < 0.02 else value
        return pick(OF_FIELD.get(name), text, 0.8)
    return value


def brief(value, name=""):
    """A document that asks for little of the server's time."""
    if isinstance(value, dict):
        return {key: brief(child, key) for key, child in value.items()}
    return min(value, MOST[name]) if name in MOST and type(value) in (int, float) else value


@schemathesis.hook
def before_call(context, case, kwargs):
    global n_called
    if n_called % STOCK_EVERY == 0:
        stock(client, made)
    n_called += 1
    segments = case.path.split("/")
    kind = OF_ACTION.get(segments[-1]) or OF_SEGMENT.get(segments[3])
    for name, value in (case.path_parameters or {}).items():
        case.path_parameters[name] = pick(kind, value)
        if case.path_parameters[name] in told["own_tokens"]:
            case.path_parameters[name] = str(uuid.uuid4())
    for part in (case.query, case.headers):
        for name, value in (part or {}).items():
            part[name] = pick("metric" if name == "metric" else OF_FIELD.get(name), value)
    if isinstance(case.body, dict):
        body = filled(case.body)
        accepted = told["accepted"].get(case.operation.label)
        if accepted and dice.random() < 0.5:
            body = laid_over(accepted, body, dice.choice([0.1, 0.3]))
        case.body = brief(body)
    elif isinstance(case.body, Binary) and dice.random() < 0.5:
        case.path_parameters["sha256"] = hashlib.sha256(case.body.data).hexdigest()


def learn(operation, answer):
    """Keeps the ids of what was made."""
    if operation in MADE:
        made[MADE[operation]].append(answer["id"])
    elif operation == "POST /api/v1/workers/enrolments":
        made["enrolment"].append(answer["token"])
    elif operation == "POST /api/v1/leases":
        made["lease"] += [lease["id"] for lease in answer["leases"]]
    elif operation == "POST /api/v1/sweeps/{id}/ask" and answer.get("lease"):
        made["external_lease"].append(answer["lease"])


def record(case, status, request=None):
    line = {"operation": case.operation.label, "is_its_method": case.method == case.operation.method.upper(), "status": status, "request": request}
    answers.write(json.dumps(line) + "\n")
    answers.flush()


@schemathesis.hook
def after_call(context, case, response):
    status = response.status_code
    record(case, status, case.as_curl_command() if status >= 500 else None)
    if status // 100 == 2 and case.method == case.operation.method.upper():
        learn(case.operation.label, response.json() if response.content[:1] == b"{" else {})


@schemathesis.hook
def after_network_error(context, case, request):
    record(case, None, case.as_curl_command())
