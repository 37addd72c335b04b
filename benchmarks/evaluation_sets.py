"""Sets of images for the rows of docs/evaluation.md, from the four official files of MNIST or Fashion-MNIST.

    benchmarks/evaluation_sets.py datasets/mnist SETS      # needs Python 3 and numpy

    SETS/training.idx   the first 10,000 training images
    SETS/noise.idx      10,000 images of uniform noise
    SETS/halves         a data set whose test images are every second one of the test images
    SETS/other-half.idx the other ones
    SETS/few            a data set of the first 64 training images, each a thousand times (an epoch is then long enough)
"""
import gzip
import pathlib
import struct
import sys

import numpy

IMAGES, LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"
source, target = map(pathlib.Path, sys.argv[1:])


def read(name):
    data = gzip.decompress(pathlib.Path(source, name + ".gz").read_bytes())
    shape = struct.unpack_from(f">{data[3]}I", data, 4)
    return numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * data[3]).reshape(shape)


def write(name, array):
    path = pathlib.Path(target, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes())


train, test = ((read(f"{split}-{IMAGES}"), read(f"{split}-{LABELS}")) for split in ("train", "t10k"))
few = [numpy.concatenate([array[:64]] * 1000) for array in train]
halves = [array[::2] for array in test]
write("training.idx", train[0][:10_000])
write("noise.idx", numpy.random.default_rng(0).integers(0, 256, (10_000, *train[0].shape[1:]), numpy.uint8))
write("other-half.idx", test[0][1::2])
for name, sets in {"halves": (train, halves), "few": (few, [array[:64] for array in test])}.items():
    for split, arrays in zip(("train", "t10k"), sets):
        write(f"{name}/{split}-{IMAGES}", arrays[0])
        write(f"{name}/{split}-{LABELS}", arrays[1])
