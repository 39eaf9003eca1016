"""Write a network as a TorchScript module that Cultivar trains as a backbone (backbone.name: torchscript).

    python tools/torchscript_backbone.py --timm mobilenetv3_small_100 [--weights W.safetensors] --out net.pt
    python tools/torchscript_backbone.py --module my_package.nets:make_net --out net.pt

The network takes images [N, 3, H, W] f32 and gives pooled features [N, F]: --timm leaves the classifier out, and
my_package.nets:make_net is a function without arguments that returns such a torch.nn.Module. It is scripted, so that it
both trains and evaluates. Buffers, such as the running statistics of BatchNorm, become parameters that want no gradient:
through libtorch's C interface a checkpoint reaches parameters only. Put the file into the folder that the worker was
given with --files, and its SHA-256, which this prints, into backbone.weights_sha256.
"""

import argparse
import hashlib
import importlib
from pathlib import Path

import torch


def network(options):
    if options.module:
        module, function = options.module.split(":")
        return getattr(importlib.import_module(module), function)()
    import timm

    net = timm.create_model(options.timm, num_classes=0, scriptable=True)
    if options.weights:
        from safetensors.torch import load_file

        missing, unexpected = net.load_state_dict(load_file(options.weights), strict=False)
        missing = [name for name in missing if not name.endswith("num_batches_tracked")]
        if missing:
            raise SystemExit(f"{options.weights} lacks {len(missing)} tensors of {options.timm}: {', '.join(missing[:5])}")
        print(f"left out of the file: {', '.join(unexpected) or 'nothing'}")
    return net


def with_buffers_as_parameters(net):
    for module in net.modules():
        for name, buffer in list(module.named_buffers(recurse=False)):
            # Counts of batches matter to no result, and parameters that want a gradient are floats.
            if buffer is not None and buffer.is_floating_point():
                del module._buffers[name]
                module.register_parameter(name, torch.nn.Parameter(buffer, requires_grad=False))
    return net


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--timm", metavar="NAME", help="a model of timm")
    source.add_argument("--module", metavar="MODULE:FUNCTION", help="a function that makes the network")
    parser.add_argument("--weights", metavar="FILE", help="safetensors for --timm's model")
    parser.add_argument("--out", required=True, metavar="FILE")
    options = parser.parse_args()
    net = with_buffers_as_parameters(network(options))
    scripted = torch.jit.script(net)
    scripted.eval()
    with torch.no_grad():
        size = tuple(scripted(torch.zeros(2, 3, 224, 224)).shape)
    if len(size) != 2 or size[0] != 2:
        raise SystemExit(f"forward gives {size} for two images, expected pooled features (2, F)")
    scripted.save(options.out)
    sha256 = hashlib.sha256(Path(options.out).read_bytes()).hexdigest()
    print(f"{options.out}: {size[1]} features, SHA-256 {sha256}")


if __name__ == "__main__":
    main()
