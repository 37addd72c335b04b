"""Inkflow beside its peers: the same network, machine and threads, in Float32 and in bfloat16 where a peer has it.

    make peers            # installs requirements.txt into a virtual environment outside the tree, then runs this

Every peer is a process of its own that holds its network ready and is asked in turn, round after round; the rounds'
medians are compared, so a machine that slows down slows all of them. Inkflow is asked by `inkflow bench --only`. It is
compared with the best of all, and with the best in Float32; bfloat16 is PyTorch's autocast and OpenVINO's hint.
"""
import argparse
import functools
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

PRESETS = {  # as `UNetConfiguration.Preset`: (side, channels, widths of the levels)
    "small": (28, 1, (32, 64, 64)),
    "color-32": (32, 3, (64, 96, 128)),
    "color-64": (64, 3, (32, 64, 96, 128)),
    "color-128": (128, 3, (16, 32, 64, 96, 128)),
}
TORCH = {  # name: (channels last, compiled, bfloat16)
    "PyTorch" + (" compiled" if compiled else "") + (" channels-last" if last else "") + (" bf16" if bf16 else ""):
        (last, compiled, bf16)
    for bf16 in (False, True) for compiled in (False, True) for last in (False, True)
}
EXPORTED = ["ONNX Runtime", "OpenVINO", "OpenVINO bf16"]


def unet(preset):
    from diffusers import UNet2DModel
    side, channels, widths = PRESETS[preset]
    plain = len(widths) - 1
    return UNet2DModel(
        sample_size=side, in_channels=channels, out_channels=channels, block_out_channels=widths, layers_per_block=2,
        down_block_types=("DownBlock2D",) * plain + ("AttnDownBlock2D",),
        up_block_types=("AttnUpBlock2D",) + ("UpBlock2D",) * plain, norm_num_groups=8, attention_head_dim=None)


def shape(preset, batch):
    side, channels, _ = PRESETS[preset]
    return batch, channels, side, side


# ---- One peer, in a process of its own: reads requests from stdin, one JSON object a line, and answers.

def serve(name, preset, threads, folder):
    start = time.perf_counter()
    if name in TORCH:
        measure = torch_peer(*TORCH[name], preset, threads)
    else:
        measure = exported_peer(name, preset, threads, pathlib.Path(folder))
    measure("evaluation", 1)
    print(json.dumps({"start": time.perf_counter() - start}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        step = lambda: measure(request["task"], request["batch"])
        if request["warm"]:
            for _ in range(3):
                step()
        times = []
        while len(times) < 3 or sum(times) < request["seconds"]:
            begin = time.perf_counter()
            step()
            times.append(time.perf_counter() - begin)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
        print(json.dumps({"seconds": statistics.median(times), "memory": memory}), flush=True)


def torch_peer(channels_last, compiled, bf16, preset, threads):
    import torch
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = unet(preset).to(memory_format=layout)
    # A graph for each batch size, as its user would have it, and not one for all.
    run = torch.compile(network, dynamic=False) if compiled else network
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)

    @functools.cache
    def inputs(batch):
        return torch.randn(shape(preset, batch)).to(memory_format=layout), torch.full((batch,), 500.0)

    precision = lambda: torch.autocast("cpu", torch.bfloat16, enabled=bf16)

    def measure(task, batch):
        data, timesteps = inputs(batch)
        if task == "evaluation":
            with torch.no_grad(), precision():
                run(data, timesteps)
            return
        noise, t = torch.randn_like(data), torch.rand(batch)
        weight = t.view(-1, 1, 1, 1)
        with precision():
            prediction = run((1 - weight) * noise + weight * data, 1000 * t).sample
        loss = torch.nn.functional.mse_loss(prediction.float(), data - noise)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        loss.item()

    return measure


def exported_peer(name, preset, threads, folder):
    import numpy
    path = folder / "unet.onnx"
    if name == "ONNX Runtime":
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        run = lambda x, t: session.run(None, {"x": x, "t": t})
    else:
        import openvino
        core, compiled = openvino.Core(), {}

        def run(x, t):
            # A model for each batch size: it runs several times faster than one with an open size.
            if len(t) not in compiled:
                model = core.read_model(path)
                model.reshape({"x": x.shape, "t": t.shape})
                compiled[len(t)] = core.compile_model(
                    model, "CPU", {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
                                   "INFERENCE_PRECISION_HINT": "bf16" if name.endswith("bf16") else "f32"})
            return compiled[len(t)]([x, t])

    @functools.cache
    def inputs(batch):
        return numpy.random.randn(*shape(preset, batch)).astype("float32"), numpy.full(batch, 500, "float32")

    def measure(task, batch):
        run(*inputs(batch))

    return measure


def export(preset, folder):
    import torch

    class Field(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.unet = unet(preset)

        def forward(self, x, t):
            return self.unet(x, t).sample

    batch = torch.export.Dim("batch")
    torch.onnx.export(
        Field().eval(), (torch.randn(shape(preset, 2)), torch.tensor([100.0, 200.0])), f"{folder}/unet.onnx",
        input_names=["x", "t"], dynamic_shapes=({0: batch}, {0: batch}), dynamo=True, verbose=False)


# ---- The comparison.

class Peer:
    def __init__(self, name, preset, threads, folder):
        self.name = name
        self.warmed = set()
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads), TOKENIZERS_PARALLELISM="false")
        begin = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", name, "--preset", preset, "--threads", str(threads),
             "--folder", folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, stderr=sys.stderr)
        self.answer()
        self.start = time.perf_counter() - begin
        self.memory = None

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended with {self.process.wait()}; its message stands above")
        return json.loads(line)

    def measure(self, task, batch, seconds):
        request = dict(task=task, batch=batch, seconds=seconds, warm=(task, batch) not in self.warmed)
        self.warmed.add((task, batch))
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.answer()
        self.memory = answer["memory"]
        return answer["seconds"]


class Inkflow:
    def __init__(self, program, preset, threads, precision="float32"):
        self.program, self.preset, self.threads, self.precision = program, preset, threads, precision
        self.name = "Inkflow" if precision == "float32" else f"Inkflow {precision}"

    def command(self, task, batch, *options):
        return [self.program, "bench", "--json", "--threads", str(self.threads), "--preset", self.preset,
                "--precision", self.precision, "--only", task, "--batch", str(batch), *options]

    def runs(self):
        """Whether the CPU has the precision's instruction."""
        return subprocess.run(self.command("evaluation", 1, "--runs", "1"), capture_output=True).returncode == 0

    def joins(self, task):
        """Evaluations have no gradients."""
        return task == "training" or not self.precision.endswith("gradients")

    def measure(self, task, batch, seconds):
        output = subprocess.run(
            self.command(task, batch, "--seconds", str(seconds)), check=True, capture_output=True, text=True).stdout
        return json.loads(output)["seconds"]


def peak_memory(command):
    """Megabytes of a command at its peak, and its seconds."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    if status != 0:
        sys.exit(f"{' '.join(command)} failed")
    return usage.ru_maxrss * 1024 / 1e6, time.perf_counter() - begin


def compare(task, batch, ours, others, rounds, seconds, report):
    contestants = [*ours, *others]
    times = {c.name: [] for c in contestants}
    for _ in range(rounds):
        for contestant in contestants:
            times[contestant.name].append(contestant.measure(task, batch, seconds))
    rates = {name: batch / statistics.median(values) for name, values in times.items()}
    print(f"\n{task}, batch {batch}, images/s (median of {rounds} alternating rounds)")
    for name, rate in sorted(rates.items(), key=lambda item: -item[1]):
        print(f"  {name:34}{rate:8.1f}   Inkflow is {rates['Inkflow'] / rate:5.2f} x")
    found = dict(task=task, batch=batch, rates=rates, times=times, ratios=[])
    names = [other.name for other in others]
    for what, peers in [("best", names), ("best in Float32", [name for name in names if not name.endswith("bf16")])]:
        best = max(peers, key=rates.get, default=None)
        for one in ours if best else []:
            ratios = sorted(p / i for p, i in zip(times[best], times[one.name]))
            print(f"  {one.name} against the {what}, {best}, round by round: median {statistics.median(ratios):.2f} "
                  f"({ratios[0]:.2f} to {ratios[-1]:.2f})", flush=True)
            found["ratios"].append(dict(
                name=one.name, against=what, peer=best, ratio=statistics.median(ratios), lowest=ratios[0], highest=ratios[-1]))
    report.append(found)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--inkflow", default=".build/release/inkflow")
    parser.add_argument("--preset", default="small", choices=PRESETS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="of each measurement")
    parser.add_argument("--tasks", default="training:64,training:128,evaluation:1,evaluation:16,evaluation:128")
    parser.add_argument("--peers", nargs="*", default=[*TORCH, *EXPORTED], choices=[*TORCH, *EXPORTED])
    parser.add_argument("--json", help="a file for every figure")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve, options.preset, options.threads, options.folder)

    report = []
    tasks = [(task, int(batch)) for task, batch in (item.split(":") for item in options.tasks.split(","))]
    inkflow = Inkflow(options.inkflow, options.preset, options.threads)
    others = [Inkflow(options.inkflow, options.preset, options.threads, p) for p in ("bfloat16-gradients", "bfloat16")]
    precisions = [inkflow, *(one for one in others if one.runs())]
    with tempfile.TemporaryDirectory() as folder:
        names = [name for name in options.peers if name in TORCH]
        exported = [name for name in options.peers if name in EXPORTED]
        if exported and any(task == "evaluation" for task, _ in tasks):
            subprocess.run([sys.executable, "-c", f"import sys; sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r}); "
                            f"import peers; peers.export({options.preset!r}, {folder!r})"], check=True, stdout=subprocess.DEVNULL)
            names += exported
        peers = [Peer(name, options.preset, options.threads, folder) for name in names]
        for task, batch in tasks:
            contestants = [p for p in peers if task == "evaluation" or p.name in TORCH]
            ours = [one for one in precisions if one.joins(task)]
            compare(task, batch, ours, contestants, options.rounds, options.seconds, report)
        task, batch = max(tasks, key=lambda item: (item[0] == "training", item[1]))
        memory, _ = peak_memory(inkflow.command(task, batch, "--runs", "3"))
        _, start = peak_memory(inkflow.command("evaluation", 1, "--runs", "1"))
        processes = {f"Inkflow ({task} at batch {batch})": (memory, start)}
        processes |= {peer.name: (peer.memory, peer.start) for peer in peers}
        print("\npeak memory (of the task named; of the peers' processes all tasks), and seconds from a process's start to "
              "its first evaluation (Inkflow's to its end)")
        for name, (memory, start) in processes.items():
            print(f"  {name:34}{memory:8.0f} MB {start:7.2f} s")
    if options.json:
        settings = dict(preset=options.preset, threads=options.threads, rounds=options.rounds)
        pathlib.Path(options.json).write_text(json.dumps(settings | dict(tasks=report, processes=processes), indent=1))


if __name__ == "__main__":
    main()
