"""Makes the fixtures in this folder: what PyTorch and diffusers compute, for our own code to agree with.

Needs exactly torch==2.13.0, diffusers==0.42.1, safetensors==0.8.0 and numpy==2.4.6 (checked below), and
writes the same bytes each time it runs on one kind of CPU:  python make_fixtures.py

unconditional/, conditional/
    config.json, diffusion_pytorch_model.safetensors   as UNet2DModel.save_pretrained writes them
    expected.safetensors, all F32, images in PyTorch's order [batch, channels, height, width]:
        input, target, output    [3, C, S, S]
        timesteps                [3], already multiplied by 1000
        labels                   [3], whole numbers (conditional only; 10 is the null class)
        loss                     [], mean((output - target)^2) over all elements
        input_gradient           [3, C, S, S], d loss / d input
        grad.<parameter>         d loss / d parameter, in the parameter's shape (that of each to_k.bias is 0
                                 up to rounding: softmax does not see it)
    Parameters and inputs are float32 numbers, the arithmetic on them float64, the results rounded to float32
    at the end. One exception: diffusers computes the sinusoids of the timesteps in float32, whatever the
    model's type, so they are only good to about 1e-4 at timesteps near 1000.

flow_match/    a pipeline's folder as save_pretrained writes it, with FlowMatchEulerDiscreteScheduler: the velocity
    is noise - data, sigma runs from 1 (noise) to 0, and the network is given sigma * 1000. It has the sine first
    and a frequency shift; its weights are float16, in shards.
    expected.safetensors, in float64 but for the sinusoids, rounded to float32:
        input, output            [3, 1, S, S]
        timesteps                [3], sigma * 1000
        sigmas                   [steps + 1], the scheduler's
        samples                  [3, 1, S, S], what the scheduler makes of `input` in these steps
        inverted_sigmas, inverted_samples    the same with invert_sigmas

foreign/    a model as others leave it, which diffusers opens: bfloat16, attention named query, key, value and
    proj_attn, the class and its blocks under old names, no sample_size, and keys that change no output.
    expected.safetensors    input, timesteps, output, as above

optimizer.safetensors    ten steps of AdamW (learning rate 1e-3, betas 0.9 and 0.999, eps 1e-8, weight decay
    0.01), the gradient clipped to a norm of 1 before each:
        parameters [257], gradients [10, 257] before clipping, gradient_norms [10] before clipping,
        parameters_after [10, 257], averages [10, 257]
    The average starts as the initial parameters; after step k = 0...9 it becomes d*average +
    (1 - d)*parameters with d = min(0.999, (1 + k)/(10 + k)). All in float64, rounded to float32 at the end.

batch.safetensors    the gradient of a batch of 35 images of 20x20: five micro-batches of up to 8 images, each in
    portions of up to 3. Weights, noise, data and times are numbers of `uniforms`, so that neither they nor the
    gradient need much room: of the gradient of each parameter there are its projections on eight random vectors.
        loss                     [], mean((output - (x1 - x0))^2) over all elements
        norm.<parameter>         [], the length of d loss / d parameter
        projections.<parameter>  [8]

embedding.safetensors    timesteps [8], embedding [8, 32] = [cos | sin], from get_timestep_embedding

reference.safetensors    what the reference implementation of the format writes: F32 tensors alone, with our
    payload_crc32, so that our writer must produce the same bytes
reference_types.safetensors    one tensor of several types, with metadata that needs escapes
"""

import json
import zlib
from pathlib import Path

import diffusers
import numpy
import safetensors
import safetensors.torch
import torch
from diffusers import DDPMPipeline, FlowMatchEulerDiscreteScheduler, UNet2DModel
from diffusers.models.embeddings import get_timestep_embedding

VERSIONS = {
    "torch": (torch.__version__.split("+")[0], "2.13.0"),
    "diffusers": (diffusers.__version__, "0.42.1"),
    "safetensors": (safetensors.__version__, "0.8.0"),
    "numpy": (numpy.__version__, "2.4.6"),
}
for package, (found, expected) in VERSIONS.items():
    assert found == expected, f"{package} {found} found, the fixtures were made with {expected}"

HERE = Path(__file__).resolve().parent
BATCH = 3

COMMON = {
    "down_block_types": ["DownBlock2D", "DownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D", "UpBlock2D"],
}
# One case has one head, two layers per block and 8 -> 4 -> 2 pixels; the other has
# two heads, a class embedding, colours, and an odd number of pixels at the lowest level: 12 -> 6 -> 3.
CASES = {
    "unconditional": {
        "sample_size": 8, "in_channels": 1, "out_channels": 1, "block_out_channels": [4, 8, 8],
        "layers_per_block": 2, "norm_num_groups": 2, "attention_head_dim": None, "num_class_embeds": None,
    },
    "conditional": {
        "sample_size": 12, "in_channels": 3, "out_channels": 3, "block_out_channels": [8, 16, 16],
        "layers_per_block": 1, "norm_num_groups": 4, "attention_head_dim": 8, "num_class_embeds": 11,
    },
}  # fmt: skip


def normal(generator, *shape):
    """Standard normal float32 numbers."""
    return torch.randn(*shape, generator=generator)


def randomise(model, generator):
    """No parameter is left at 0 or 1: a layer that ignores one of them must show."""
    for name, parameter in model.named_parameters():
        value = normal(generator, *parameter.shape)
        if name.endswith("bias"):
            value *= 0.2
        elif parameter.dim() == 1:  # the scale of a norm
            value = 1 + 0.3 * value
        elif not name.startswith("class_embedding"):
            value *= (parameter[0].numel()) ** -0.5
        parameter.data.copy_(value)


def save(tensors, path):
    """Writes tensors as F32."""
    float32 = {name: tensor.detach().to(torch.float32).contiguous() for name, tensor in tensors.items()}
    safetensors.torch.save_file(float32, path)


def make_unet(name, seed):
    generator = torch.Generator().manual_seed(seed)
    config = CASES[name]
    model = UNet2DModel(**COMMON, **config)
    randomise(model, generator)
    model.save_pretrained(HERE / name, safe_serialization=True)

    shape = [BATCH, config["in_channels"], config["sample_size"], config["sample_size"]]
    images, target = normal(generator, *shape), normal(generator, *shape)
    timesteps = torch.tensor([37.5, 512.25, 968.125])
    tensors = {"input": images, "target": target, "timesteps": timesteps}
    labels = None
    if config["num_class_embeds"]:
        labels = torch.tensor([7, 0, 10])
        tensors["labels"] = labels

    model = model.double()
    images = images.double().requires_grad_()
    output = model(images, timesteps.double(), class_labels=labels).sample
    loss = ((output - target.double()) ** 2).mean()
    loss.backward()
    tensors |= {"output": output, "loss": loss, "input_gradient": images.grad}
    for parameter_name, parameter in model.named_parameters():
        if not parameter_name.endswith("to_k.bias"):
            assert parameter.grad.abs().max() > 1e-4, f"{parameter_name} has no gradient"
        tensors[f"grad.{parameter_name}"] = parameter.grad
    save(tensors, HERE / name / "expected.safetensors")


SMALL = {
    "sample_size": 8, "in_channels": 1, "out_channels": 1, "block_out_channels": [4, 4], "layers_per_block": 1,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"], "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
    "norm_num_groups": 2,
}  # fmt: skip


def make_flow_match(seed):
    generator = torch.Generator().manual_seed(seed)
    model = UNet2DModel(**SMALL, flip_sin_to_cos=False, freq_shift=1, attention_head_dim=None)
    randomise(model, generator)
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    directory = HERE / "flow_match"
    DDPMPipeline(model.half(), scheduler).save_pretrained(
        directory, safe_serialization=True, max_shard_size="8KB"
    )
    model, info = UNet2DModel.from_pretrained(directory / "unet", output_loading_info=True)
    assert not any(info.values()), info

    images = normal(generator, BATCH, 1, 8, 8)
    timesteps = torch.tensor([37.5, 512.25, 968.125])
    model = model.double()

    def samples(scheduler):
        scheduler.set_timesteps(5)
        samples = images.double()
        for timestep in scheduler.timesteps:
            velocity = model(samples, timestep.double()).sample
            samples = scheduler.step(velocity, timestep, samples).prev_sample
        return samples

    inverted = FlowMatchEulerDiscreteScheduler(shift=3.0, invert_sigmas=True)
    with torch.no_grad():
        tensors = {
            "input": images, "timesteps": timesteps, "output": model(images.double(), timesteps.double()).sample,
            "samples": samples(scheduler), "sigmas": scheduler.sigmas,
            "inverted_samples": samples(inverted), "inverted_sigmas": inverted.sigmas,
        }  # fmt: skip
    assert scheduler.sigmas[0] == 1 and scheduler.sigmas[-1] == 0
    save(tensors, directory / "expected.safetensors")


def make_foreign(seed):
    generator = torch.Generator().manual_seed(seed)
    directory = HERE / "foreign"
    model = UNet2DModel(**SMALL, attention_head_dim=2, dropout=0.1, num_train_timesteps=1000)
    randomise(model, generator)
    model.to(torch.bfloat16).save_pretrained(directory, safe_serialization=True)
    path = directory / "config.json"
    config = json.loads(path.read_text()) | {
        "_class_name": "UNetUnconditionalModel", "act_fn": "swish", "sample_size": None, "time_embedding_dim": 16,
        "attn_norm_num_groups": 2,
        "down_block_types": ["UNetResDownBlock2D", "UNetResAttnDownBlock2D"],
        "up_block_types": ["UNetResAttnUpBlock2D", "UNetResUpBlock2D"],
    }  # fmt: skip
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")

    def old(name):
        for new_name, old_name in OLD_NAMES.items():
            name = name.replace(f".{new_name}.", f".{old_name}.")
        return name

    path = directory / "diffusion_pytorch_model.safetensors"
    tensors = safetensors.torch.load_file(path)
    safetensors.torch.save_file({old(name): tensor for name, tensor in tensors.items()}, path, {"format": "pt"})

    model, info = UNet2DModel.from_pretrained(directory, output_loading_info=True)
    assert not any(info.values()), info
    images = normal(generator, BATCH, 1, 8, 8)
    timesteps = torch.tensor([37.5, 512.25, 968.125])
    with torch.no_grad():
        output = model.double()(images.double(), timesteps.double()).sample
    save({"input": images, "timesteps": timesteps, "output": output}, directory / "expected.safetensors")


# Of attention's layers, by the names that diffusers gives them today.
OLD_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def make_optimizer(seed):
    generator = torch.Generator().manual_seed(seed)
    count, steps = 257, 10
    parameters = normal(generator, count)
    # Norms on both sides of the clipping threshold.
    scales = torch.tensor([0.5, 0.05, 2.0, 0.03, 0.07, 0.01, 1.0, 0.06, 0.2, 0.04])
    gradients = normal(generator, steps, count) * scales[:, None]

    parameter = torch.nn.Parameter(parameters.double())
    optimizer = torch.optim.AdamW([parameter], lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
    average = parameters.double()
    after, averages, norms = [], [], []
    for step in range(steps):
        parameter.grad = gradients[step].double()
        norms.append(torch.nn.utils.clip_grad_norm_([parameter], 1.0))
        optimizer.step()
        after.append(parameter.detach().clone())
        decay = min(0.999, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * after[-1]
        averages.append(average)
    assert min(norms) < 0.9 and max(norms) > 1.1
    save(
        {
            "parameters": parameters, "gradients": gradients, "gradient_norms": torch.stack(norms),
            "parameters_after": torch.stack(after), "averages": torch.stack(averages),
        },
        HERE.parents[1] / "TrainingTests/Fixtures/optimizer.safetensors",
    )  # fmt: skip


def uniforms(purpose, index, count):
    """Inkflow's random numbers of seed 11 and step 0 (Philox 4x32-10, Salmon et al. 2011), float64 in [0, 1)."""
    counter = [numpy.arange(count, dtype=numpy.uint64)] + [
        numpy.full(count, value, numpy.uint64) for value in (index, 0, purpose)
    ]
    key, mask, half = [11, 0], numpy.uint64(0xFFFFFFFF), numpy.uint64(32)
    for _ in range(10):
        first = counter[0] * numpy.uint64(0xD2511F53)
        second = counter[2] * numpy.uint64(0xCD9E8D57)
        counter = [
            second >> half ^ counter[1] ^ numpy.uint64(key[0]), second & mask,
            first >> half ^ counter[3] ^ numpy.uint64(key[1]), first & mask,
        ]  # fmt: skip
        key = [(key[0] + 0x9E3779B9) % 2**32, (key[1] + 0xBB67AE85) % 2**32]
    words = (counter[0] << half | counter[1]) >> numpy.uint64(11)
    return torch.from_numpy(words.astype(numpy.float64) * 2.0**-53)


def make_batch():
    initialization, time, noise, synthetic, probe = 1, 3, 4, 9, 12
    count, side = 35, 20
    config = SMALL | {
        "sample_size": side, "block_out_channels": [16, 16], "norm_num_groups": 4, "attention_head_dim": 8,
    }  # fmt: skip
    model = UNet2DModel(**config).double()
    parameters = sorted(model.named_parameters())
    for index, (name, parameter) in enumerate(parameters):
        value = (2 * uniforms(initialization, index, parameter.numel()) - 1).reshape(parameter.shape)
        if name.endswith("bias"):
            value *= 0.2
        elif parameter.dim() == 1:
            value = 1 + 0.3 * value
        else:
            value *= (3 / parameter[0].numel()) ** 0.5
        parameter.data.copy_(value.float())

    def images(purpose):
        rows = [2 * uniforms(purpose, row, side * side) - 1 for row in range(count)]
        return torch.stack(rows).float().double().reshape(count, 1, side, side)

    x0, x1 = 3**0.5 * images(noise), images(synthetic)
    t = torch.cat([uniforms(time, row, 1) for row in range(count)]).float().double()
    moment = t[:, None, None, None]
    output = model((1 - moment) * x0 + moment * x1, 1000 * t).sample
    loss = ((output - (x1 - x0)) ** 2).mean()
    loss.backward()
    tensors = {"loss": loss}
    for index, (name, parameter) in enumerate(parameters):
        gradient = parameter.grad.flatten()
        tensors[f"norm.{name}"] = gradient.norm()
        vectors = 2 * uniforms(probe, index, 8 * gradient.numel()).reshape(8, -1) - 1
        tensors[f"projections.{name}"] = vectors @ gradient
    save(tensors, HERE.parents[1] / "TrainingTests/Fixtures/batch.safetensors")


def make_embedding():
    timesteps = torch.tensor([0.0, 0.25, 1.0, 31.5, 123.4375, 500.0, 999.5, 1000.0])
    embedding = get_timestep_embedding(timesteps, 32, flip_sin_to_cos=True, downscale_freq_shift=0)
    save({"timesteps": timesteps, "embedding": embedding}, HERE / "embedding.safetensors")


def make_reference():
    # In the file's order, which for one type is that of the names' bytes.
    tensors = {
        "a.empty": torch.zeros(0, 3),
        "a.scalar": torch.tensor(-2.5),
        'b "quoted" \\ \n \x01 é': torch.arange(5, dtype=torch.float32) / 7,
        "b.empty": torch.zeros(2, 0),
        "c": torch.arange(30, dtype=torch.float32).reshape(2, 3, 5) - 12.25,
    }
    payload = b"".join(tensor.numpy().tobytes() for tensor in tensors.values())
    safetensors.torch.save_file(
        tensors, HERE / "reference.safetensors", metadata={"payload_crc32": f"{zlib.crc32(payload):08x}"}
    )

    integers = torch.arange(6).reshape(2, 3) - 3
    types = [torch.int64, torch.float64, torch.float32, torch.int32, torch.bfloat16, torch.float16,
             torch.int16, torch.int8, torch.bool]  # fmt: skip
    tensors = {str(kind).removeprefix("torch."): integers.to(kind) for kind in types}
    tensors["uint8"] = torch.tensor([1, 2, 3], dtype=torch.uint8)
    note = 'tab \t, quote ", backslash \\, NUL \0, umlaut ü, emoji \U0001f58c'
    safetensors.torch.save_file(tensors, HERE / "reference_types.safetensors", metadata={"note": note})


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    make_unet("unconditional", seed=1)
    make_unet("conditional", seed=2)
    make_flow_match(seed=4)
    make_foreign(seed=5)
    make_optimizer(seed=3)
    make_batch()
    make_embedding()
    make_reference()
    size = sum(path.stat().st_size for path in HERE.rglob("*.safetensors"))
    assert size < 1_000_000, f"the fixtures take {size} bytes, keep them under 1 MB"
    print(json.dumps({"bytes": size}))


if __name__ == "__main__":
    main()
