"""Arrays to pictures: dimension order, grids, boxes, and encoding as PNG and GIF with Pillow.

`H`, `W`, `C`, `N`, `T` are height, width, channels, images and frames. Pictures are float in [0, 1]
or uint8 in [0, 255] on the way in, uint8 (H, W, C) on the way out.
"""

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["convert_to_HWC", "draw_boxes", "encode_gif", "encode_png", "figure_to_image"]
__all__ += ["make_grid", "to_uint8", "video_frames"]


def to_uint8(array: np.ndarray) -> np.ndarray:
    """Scale to [0, 255], clipped; uint8 passes unchanged."""
    if array.dtype == np.uint8:
        return array
    return (array.astype(np.float32) * 255).clip(0, 255).astype(np.uint8)


def convert_to_HWC(tensor: np.ndarray, input_format: str) -> np.ndarray:
    """Reorder to (H, W, C); a grey picture gets three channels, a batch becomes a grid.

    Args:
        tensor: 2 to 4 dimensions.
        input_format: one letter of "NCHW" per dimension, in the order of `tensor`.

    Raises: AssertionError if a letter repeats or the number of letters is wrong.
    """
    order = input_format.upper()
    if len(set(order)) != len(order):
        raise AssertionError(
            "You can not use the same dimension shorthand twice. "
            f"input_format: {input_format}"
        )
    if tensor.ndim != len(order):
        raise AssertionError(
            "size of input tensor and input format are different. "
            f"tensor shape: {tensor.shape}, input_format: {input_format}"
        )
    wanted = {2: "HW", 3: "HWC", 4: "NCHW"}.get(len(order), "")
    if sorted(order) != sorted(wanted):
        raise AssertionError(f"input_format must order HW, HWC or NCHW, got {input_format}")
    tensor = tensor.transpose([order.index(letter) for letter in wanted])
    if wanted == "NCHW":
        return make_grid(tensor).transpose(1, 2, 0)
    tensor = tensor[:, :, None] if wanted == "HW" else tensor
    return np.repeat(tensor, 3, axis=2) if tensor.shape[2] == 1 else tensor


def make_grid(images: np.ndarray, ncols: int = 8) -> np.ndarray:
    """Lay (N, C, H, W), C 1 or 3, out row by row as one (3, rows * H, columns * W) picture."""
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise AssertionError(
            f"Input should be a 4D numpy array with 3 channels (or 1), got shape {images.shape}"
        )
    count, channels, height, width = images.shape
    columns = min(count, ncols)
    rows = math.ceil(count / columns)
    cells = np.zeros((rows * columns, 3, height, width), images.dtype)
    cells[:count] = images
    cells = cells.reshape(rows, columns, 3, height, width)
    return cells.transpose(2, 0, 3, 1, 4).reshape(3, rows * height, columns * width)


def draw_boxes(image: Any, boxes: np.ndarray, labels: Sequence[str] | None = None) -> Any:
    """Draw red boxes (x0, y0, x1, y1), each with its label, on a Pillow image."""
    from PIL import ImageDraw, ImageFont

    draw, font = ImageDraw.Draw(image), ImageFont.load_default()
    for index, (left, top, right, bottom) in enumerate(boxes.tolist()):
        outline = [(left, top), (left, bottom), (right, bottom), (right, top), (left, top)]
        draw.line(outline, width=2, fill="Red")
        if labels is not None:
            x0, y0, x1, y1 = font.getbbox(labels[index])
            margin = math.ceil(0.05 * (y1 - y0))
            corner = (left, bottom - (y1 - y0) - 2 * margin)
            draw.rectangle([corner, (left + x1 - x0, bottom)], fill="Red")
            draw.text((left + margin, corner[1] + margin), labels[index], fill="black", font=font)
    return image


def encode_png(
    pixels: np.ndarray,
    rescale: float = 1,
    boxes: np.ndarray | None = None,
    labels: Sequence[str] | None = None,
) -> bytes:
    """Encode uint8 (H, W, C) as PNG, with `boxes` drawn and both sides scaled by `rescale`."""
    from PIL import Image

    height, width = pixels.shape[:2]
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if boxes is not None:
        image = draw_boxes(image, boxes, labels)
    size = (int(width * rescale), int(height * rescale))
    return _save(image.resize(size, Image.Resampling.LANCZOS), format="PNG")


def encode_gif(frames: np.ndarray, fps: float) -> bytes:
    """Encode uint8 (T, H, W, C), C 1 or 3, as an endless animation."""
    from PIL import Image

    if frames.shape[3] == 1:
        frames = np.repeat(frames, 3, axis=3)
    first, *others = [Image.fromarray(np.ascontiguousarray(frame)) for frame in frames]
    timing = {"duration": 1000 / fps, "loop": 0}
    return _save(first, format="GIF", save_all=True, append_images=others, **timing)


def _save(image: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def video_frames(videos: np.ndarray) -> np.ndarray:
    """Tile (N, T, C, H, W) into frames (T, rows * H, columns * W, C), padded with black videos."""
    if videos.ndim != 5:
        raise ValueError(f"add_video expects shape (N, T, C, H, W), got {videos.shape}")
    count, time, channels, height, width = videos.shape
    padded = 1 << (count - 1).bit_length()
    rows = 1 << (count.bit_length() - 1) // 2
    grid = np.zeros((padded, *videos.shape[1:]), videos.dtype)
    grid[:count] = videos
    grid = grid.reshape(rows, padded // rows, time, channels, height, width)
    grid = grid.transpose(2, 0, 4, 1, 5, 3)
    return grid.reshape(time, rows * height, padded // rows * width, channels)


def figure_to_image(figures: Any, close: bool = True) -> np.ndarray:
    """Draw a matplotlib figure as uint8 (3, H, W), a list of them as (N, 3, H, W)."""
    if isinstance(figures, list):
        return np.stack([figure_to_image(figure, close) for figure in figures])
    try:
        import matplotlib.pyplot as plt
        from matplotlib.backends.backend_agg import FigureCanvasAgg
    except ImportError as error:
        raise ModuleNotFoundError(
            "add_figure needs the package matplotlib\nhint: pip install matplotlib",
            name="matplotlib",
        ) from error
    canvas = FigureCanvasAgg(figures)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[:, :, :3]
    if close:
        plt.close(figures)
    return pixels.transpose(2, 0, 1)
