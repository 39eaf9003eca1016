"""Augmentation: what torchvision v2 (on uint8) and timm (through Pillow) make of a picture, and which magnitudes their
policies give."""

import json
import math
from unittest.mock import patch

import numpy
import timm.data.auto_augment as theirs
import torch
import torchvision.transforms.v2 as v2
import torchvision.transforms.v2.functional as F
from PIL import Image
from safetensors.numpy import save_file

HEIGHT, WIDTH = 36, 29
FILL = (120, 110, 100)
# Policies give pixels of a side.
SIDE = 96.0


def picture():
    """Edges and ramps; the blue channel has few levels."""
    rows, columns = numpy.mgrid[0:HEIGHT, 0:WIDTH]
    red = 30 + 190 * ((rows // 5 + columns // 7) % 2) + rows
    green = (rows * 4 + columns * 5) % 256
    blue = 20 + 60 * ((rows + 2 * columns) // 9 % 4)
    return numpy.stack([red, green, blue], axis=-1).astype(numpy.uint8)


def flat_picture():
    """One flat channel, and one that is too even to be equalized."""
    pixels = picture()
    pixels[..., 0] = 77
    pixels[..., 2] = 10 + 200 * (pixels[..., 2] > 200)
    return pixels


def of_torchvision(image):
    """Operations on a uint8 tensor `[3, H, W]`."""
    simple = {
        "brightness": F.adjust_brightness,
        "color": F.adjust_saturation,
        "contrast": F.adjust_contrast,
        "sharpness": F.adjust_sharpness,
        "hue": F.adjust_hue,
        "posterize": F.posterize,
        "solarize": F.solarize,
    }
    enhance = (0.0, 0.1, 0.73, 1.5, 1.9)
    magnitudes = {name: enhance for name in ("brightness", "color", "contrast", "sharpness")}
    magnitudes["hue"] = (-0.5, -0.21, 0.08, 0.4)
    magnitudes["posterize"] = (0, 1, 4, 7, 8)
    magnitudes["solarize"] = (0.0, 76.5, 128.0, 255.0)
    for name, function in simple.items():
        for x in magnitudes[name]:
            yield name, x, function(image, x)
    yield "auto_contrast", 0, F.autocontrast(image)
    yield "equalize", 0, F.equalize(image)
    yield "invert", 0, F.invert(image)

    def affine(shear=(0.0, 0.0), translate=(0, 0), center=None):
        return F.affine(image, 0.0, list(translate), 1.0, list(shear), fill=list(FILL), center=center)

    for x in (0.17, -0.3, 0.99):
        slope = math.degrees(math.atan(x))
        yield "shear_x", x, affine(shear=(slope, 0.0), center=[0, 0])
        yield "shear_y", x, affine(shear=(0.0, slope), center=[0, 0])
    for x in (7, -13):
        yield "translate_x", -x, affine(translate=(x, 0))
        yield "translate_y", -x, affine(translate=(0, x))
    for x in (17.0, -30.0, 135.0):
        yield "rotate", x, F.rotate(image, x, fill=list(FILL))


def of_timm(image):
    """Operations on a Pillow image."""
    how = {"resample": Image.Resampling.BILINEAR, "fillcolor": FILL}
    for x in (0.1, 0.73, 1.9):
        for name in ("brightness", "color", "contrast", "sharpness"):
            yield name, x, getattr(theirs, name)(image, x)
    for x in (1, 3, 4):
        yield "posterize", x, theirs.posterize(image, x)
    for x in (26, 256):
        yield "solarize", x, theirs.solarize(image, x)
    for x in (33, 110):
        yield "solarize_add", x, theirs.solarize_add(image, x)
    for name in ("auto_contrast", "equalize", "invert"):
        yield name, 0, getattr(theirs, name)(image)
    for x in (0.17, -0.3):
        yield "shear_x", x, theirs.shear_x(image, x, **how)
        yield "shear_y", x, theirs.shear_y(image, x, **how)
    for x in (0.31, -0.45):
        yield "translate_x", x * WIDTH, theirs.translate_x_rel(image, x, **how)
        yield "translate_y", x * HEIGHT, theirs.translate_y_rel(image, x, **how)
    for x in (17.0, -27.0):
        yield "rotate", x, theirs.rotate(image, x, **how)


def operations(path):
    """Writes pictures and what becomes of them to a safetensors file."""
    tensors, cases = {}, []
    for name, pixels in (("picture", picture()), ("flat", flat_picture())):
        tensors[name] = pixels
        as_tensor = torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
        results = [("torchvision", *case) for case in of_torchvision(as_tensor)]
        results += [("timm", *case) for case in of_timm(Image.fromarray(pixels))]
        for reference, op, x, result in results:
            if name == "flat" and op not in ("auto_contrast", "equalize", "hue"):
                continue
            if isinstance(result, torch.Tensor):
                result = result.permute(1, 2, 0).numpy()
            tensors[f"case{len(cases)}"] = numpy.ascontiguousarray(result)
            cases.append({"reference": reference, "picture": name, "op": op, "x": x})
    save_file(tensors, path, metadata={"cases": json.dumps(cases), "fill": json.dumps(FILL)})
    print(f"{path.name}: {path.stat().st_size} bytes")


def policies():
    side = int(SIDE)
    lists = {
        "auto_augment": (v2.AutoAugment, 10),
        "rand_augment": (v2.RandAugment, 31),
        "trivial_augment": (v2.TrivialAugmentWide, 31),
    }
    torchvision_lists = {}
    for name, (transform, n_bins) in lists.items():
        entries = {}
        for op, (magnitudes, signed) in transform._AUGMENTATION_SPACE.items():
            values = magnitudes(n_bins, side, side)
            entries[op] = None if values is None else {"values": [float(x) for x in values], "signed": signed}
        torchvision_lists[name] = entries
    learnt = {policy.name.lower(): v2.AutoAugment(policy)._policies for policy in v2.AutoAugmentPolicy}

    timm_lists = {}
    # Signs that are always the positive one.
    with patch("random.random", lambda: 0.0):
        for increasing, names in ((False, theirs._RAND_TRANSFORMS), (True, theirs._RAND_INCREASING_TRANSFORMS)):
            entries = {}
            for name in names:
                to_arg = theirs.LEVEL_TO_ARG[name]
                entries[name.removesuffix("Increasing").removesuffix("Rel")] = [
                    None if to_arg is None else float(to_arg(level, {})[0]) for level in (0.0, 3.3, 9.0, 10.0)
                ]
            timm_lists["increasing" if increasing else "plain"] = entries
    prob = theirs.AugmentOp("Rotate").prob
    return {"side": SIDE, "timm_prob": prob, "torchvision": torchvision_lists, "learnt": learnt, "timm": timm_lists}
