"""Ask and complete: how many trials a second a server of ours hands out and takes back."""

import json
import subprocess
import sys
import time

import parameters

N_CLIENTS = 8


def submit(server, n_trials, seed):
    base = {
        "data": {"dataset": "mini", "train_on": "train_val"}, "adaptation": {"mode": "head_only"},
        "optimizer": {"kind": "adamw"}, "loss": {"kind": "cross_entropy"}, "objective": {"metric": "val_loss", "direction": "minimize"},
    }
    sweep = {
        "name": "bench", "base": base, "space": parameters.space(), "sampler": {"kind": "random", "seed": seed},
        "budget": {"configs": n_trials},
    }
    server.call("POST", "sweeps", sweep)


def measure(server, client, n_trials, seed, manner="in-turn"):
    """Trials per second from the submission of a sweep to the end of its last trial, and from when all are queued. `manner`:
    whether a client waits for the answer to a result, or claims meanwhile as a worker's slot does."""
    began = time.monotonic()
    submit(server, n_trials, seed)
    submitted = time.monotonic() - began
    command = [client, server.url, server.token, server.model, str(N_CLIENTS), manner]
    done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if done["n_trials"] != n_trials:
        sys.exit(f"{done['n_trials']} of {n_trials} trials were completed")
    return n_trials / (submitted + done["seconds"]), n_trials / done["seconds"]
