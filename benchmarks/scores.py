"""The figures of `inkflow evaluate`, computed again from the same features, by other means: SciPy's matrix square root,
and a kernel distance, precision and recall of a few lines.

    make check-scores                               # of the run in outputs/mnist (DATASET, OUTPUT, ARGS as for make train)
    benchmarks/scores.py --inkflow PATH MODEL DATASET [options of evaluate]

Fails where a figure differs by more than 1e-6 of itself.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
from safetensors.numpy import load_file
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist

LIMIT = 1e-6


def frechet(x, y):
    """Dowson & Landau 1982, of the moments (divided by the count)."""
    a, b = numpy.cov(x.T, bias=True), numpy.cov(y.T, bias=True)
    shift = x.mean(0) - y.mean(0)
    return shift @ shift + numpy.trace(a) + numpy.trace(b) - 2 * numpy.trace(sqrtm(a @ b)).real


def kernel(x, y):
    return (x @ y.T / x.shape[1] + 1) ** 3


def kid(x, y):
    """Bińkowski et al. 2018, all pairs, without bias."""
    m, n = len(x), len(y)
    within = [(k.sum() - k.trace()) / (len(k) * (len(k) - 1)) for k in (kernel(x, x), kernel(y, y))]
    return sum(within) - 2 * kernel(x, y).sum() / (m * n)


def kid_error(x, y):
    """The jackknife's, by the values without each point of x."""
    m, n = len(x), len(y)
    a, b, c = kernel(x, x), kernel(y, y), kernel(x, y)
    numpy.fill_diagonal(a, 0)
    rest = (b.sum() - b.trace()) / (n * (n - 1))
    without = (a.sum() - 2 * a.sum(1)) / ((m - 1) * (m - 2)) + rest - 2 * (c.sum() - c.sum(1)) / ((m - 1) * n)
    return numpy.sqrt((m - 1) * without.var())


def share_within(points, others):
    """Kynkäänniemi et al. 2019, k = 3; a point is its own nearest neighbour at 0."""
    radii = numpy.concatenate([numpy.sort(cdist(part, points))[:, 3] for part in numpy.array_split(points, 20)])
    return numpy.mean(numpy.concatenate([
        (cdist(part, points) <= radii).any(1) for part in numpy.array_split(others, 20)]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inkflow", required=True)
    options, arguments = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, "features.safetensors")
        command = [options.inkflow, "evaluate", *arguments, "--json", "--features", path]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        features = {name: points.astype(float) for name, points in load_file(path).items()}
    reference, largest = features["reference"], 0
    for row in [found["floor"] | {"solver": "floor"}] + found["results"]:
        sets = [x for name, x in features.items() if name.split(", seed ")[0] == row["solver"]]
        figures = {
            "frechet": lambda x: frechet(x, reference), "kid": lambda x: kid(x, reference),
            "precision": lambda x: share_within(reference, x), "recall": lambda x: share_within(x, reference)}
        if len(sets) == 1:  # of several seeds it is the error of their mean
            figures["kid_error"] = lambda x: kid_error(x, reference)
        for name, figure in figures.items():
            ours, other = row[name], numpy.mean([figure(x) for x in sets])
            difference = abs(ours - other) / max(abs(other), 1e-300)
            largest = max(largest, difference)
            print(f"{row['solver']:12} {name:10} {ours:22.15g} {other:22.15g}  {difference:.1e}")
    print(f"largest relative difference {largest:.1e}, allowed {LIMIT:.0e}")
    sys.exit(int(largest > LIMIT))  # numpy's False is no 0 to sys.exit


if __name__ == "__main__":
    main()
