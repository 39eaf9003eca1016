"""Writes the Parquet seeds of the archive target: python fuzz/seeds/parquet.py, with pyarrow."""

import json
import struct
import zlib
from pathlib import Path

import pyarrow
import pyarrow.parquet

OUT = Path(__file__).parent / "archive"


def png(grey):
    """An image of one pixel."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes([0, grey]))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


images = [png(10), png(200)]
image = [{"bytes": data, "path": f"{idx}.png"} for idx, data in enumerate(images)]


def features(label):
    info = {"info": {"features": {"image": {"_type": "Image"}, "label": label}}}
    return {"huggingface": json.dumps(info)}


# As the product writes it.
ours = pyarrow.table({"image": image, "label": pyarrow.array([0, 1], pyarrow.int64()), "group": ["a", "b"]})
ours = ours.replace_schema_metadata(features({"_type": "ClassLabel", "names": ["cat", "dog"]}))
pyarrow.parquet.write_table(ours, OUT / "ours.parquet", compression="zstd", use_dictionary=False)

# As others do: labels in words, no groups, a row without a path, two row groups, dictionaries.
theirs = pyarrow.table({"label": ["cat", "dog"], "image": [image[0], {"bytes": images[1], "path": None}]})
theirs = theirs.replace_schema_metadata(features({"_type": "Value", "dtype": "string"}))
pyarrow.parquet.write_table(theirs, OUT / "theirs.parquet", compression="snappy", row_group_size=1)
