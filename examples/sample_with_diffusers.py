"""Samples a model that Inkflow trained, in Python: pip install torch diffusers pillow

    python examples/sample_with_diffusers.py outputs/mnist/model grid.png
"""
import sys
import torch
from diffusers import UNet2DModel
from PIL import Image

unet = UNet2DModel.from_pretrained(sys.argv[1])
side, channels, steps = unet.config.sample_size, unet.config.in_channels, 50
x = torch.randn(64, channels, side, side)  # t = 0 is noise
with torch.no_grad():
    for step in range(steps):  # midpoint rule from t = 0 to t = 1 (data)
        t, h = step / steps, 1 / steps
        # The network is given 1000·t, as a tensor: diffusers would truncate a Python float.
        middle = x + h / 2 * unet(x, torch.tensor(1000.0 * t)).sample
        x = x + h * unet(middle, torch.tensor(1000.0 * (t + h / 2))).sample
pixels = ((x.clamp(-1, 1) + 1) * 127.5).round().byte()
grid = pixels.reshape(8, 8, channels, side, side).permute(0, 3, 1, 4, 2).reshape(8 * side, 8 * side, channels)
Image.fromarray(grid.squeeze(-1).numpy() if channels == 1 else grid.numpy()).save(sys.argv[2])
