"""Write the fixture of the resampling test: what Pillow makes of crops and resizes, and torchvision of five crops.

    pip install pillow numpy safetensors torchvision
    python bench/parity/resample.py

The picture is a fixed pattern of edges and ramps, so that both filters overshoot; nothing is random.
"""

import json
from pathlib import Path

import numpy
import PIL
from PIL import Image
from safetensors.numpy import save_file
from torchvision.transforms.v2.functional import five_crop

FIXTURE = Path(__file__).resolve().parents[2] / "crates/train/tests/fixtures/resample.safetensors"
HEIGHT, WIDTH = 61, 47
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
# (top, left, height, width) of crops that come before the resize, and the side they are resized to.
CROPS = [((0, 0, 61, 47), 24), ((5, 3, 40, 30), 24), ((10, 20, 9, 13), 24), ((0, 0, 61, 47), 50), ((30, 2, 24, 24), 24)]
# (resolution, crop_pct) of evaluation crops, which come after the resize.
EVALUATIONS = [(24, 0.875), (40, 0.9), (50, 0.875), (24, 1.0)]

# The same, of crops at five spots.
FIVE_CROPS = [(24, 0.875), (31, 0.8)]


def picture():
    rows, columns = numpy.mgrid[0:HEIGHT, 0:WIDTH]
    red = 255 * ((rows // 5 + columns // 7) % 2)
    green = (rows * 4 + columns * 3) % 256
    blue = (rows * rows + 3 * columns * columns + rows * columns) * 7 % 256
    return numpy.stack([red, green, blue], axis=-1).astype(numpy.uint8)


def resized(image, resolution, crop_pct, resample):
    """As timm's evaluation transform begins: short side to floor(resolution / crop_pct)."""
    short = int(resolution / crop_pct)
    width, height = (int(side * short / min(image.size)) for side in image.size)
    return image.resize((width, height), resample)


def evaluation(image, resolution, crop_pct, resample):
    """timm's evaluation transform: the central square of the resized image."""
    image = resized(image, resolution, crop_pct, resample)
    width, height = image.size
    top, left = round((height - resolution) / 2), round((width - resolution) / 2)
    return image.crop((left, top, left + resolution, top + resolution))


def main():
    pixels = picture()
    image = Image.fromarray(pixels)
    tensors, cases = {"picture": pixels}, []
    for name, resample in FILTERS.items():
        for (top, left, height, width), side in CROPS:
            crop = image.crop((left, top, left + width, top + height)).resize((side, side), resample)
            cases.append({"filter": name, "crop": [top, left, height, width], "resolution": side})
            tensors[f"case{len(cases) - 1}"] = numpy.asarray(crop)
        for resolution, crop_pct in EVALUATIONS:
            seen = evaluation(image, resolution, crop_pct, resample)
            cases.append({"filter": name, "crop_pct": crop_pct, "resolution": resolution})
            tensors[f"case{len(cases) - 1}"] = numpy.asarray(seen)
    for resolution, crop_pct in FIVE_CROPS:
        crops = five_crop(resized(image, resolution, crop_pct, Image.Resampling.BICUBIC), resolution)
        for spot, seen in zip(("top_left", "top_right", "bottom_left", "bottom_right", "center"), crops):
            cases.append({"filter": "bicubic", "crop_pct": crop_pct, "resolution": resolution, "spot": spot})
            tensors[f"case{len(cases) - 1}"] = numpy.asarray(seen)
    save_file(tensors, FIXTURE, metadata={"cases": json.dumps(cases), "pillow": PIL.__version__})
    print(f"{FIXTURE}: {len(cases)} cases, {FIXTURE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
