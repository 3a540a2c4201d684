"""tf.image, by TensorFlow's names and with its arguments and defaults."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from kerastorch.config import torch_dtype
from kerastorch.nn.sampling import crop_and_resize
from kerastorch.ops.convolution import convolve
from kerastorch.ops.images import channelled, hsv_to_rgb, mixed, patches, resize, rgb_to_hsv, similarity
from kerastorch.ops.indexing import size_list
from kerastorch.ops.table import Table
from kerastorch.ops.values import apply, as_tensor, dtype_of, rank, sizes_of, to_dtype

__all__ = ["TABLE"]

TABLE = Table()

_METHODS = ("bilinear", "nearest", "bicubic", "area")
"""What `method` means where old code gives a number."""


# Sizes


@TABLE.named("image.resize", "image.resize_images")
def _resize(
    images: Any, size: Any, method: Any = "bilinear", preserve_aspect_ratio: bool = False, antialias: bool = False
) -> Any:
    method = _METHODS[method] if isinstance(method, int) else method.lower()
    height, width = size_list(size)
    if preserve_aspect_ratio:
        given = sizes_of(images)[-3:-1]
        scale = min(height / given[0], width / given[1])
        height, width = round(given[0] * scale), round(given[1] * scale)
    images = as_tensor(images) if method == "nearest" else _float(images)
    return channelled(lambda x: resize(x, (height, width), method, antialias), images)


def _legacy_resize(images: Any, size: Any, mode: str, align_corners: bool, half_pixel_centers: bool) -> Any:
    size = size_list(size)
    if half_pixel_centers:
        return _resize(images, size, mode)
    images = _float(images) if mode == "bilinear" else as_tensor(images)
    if align_corners and mode == "bilinear":
        return channelled(lambda x: F.interpolate(x, size=size, mode=mode, align_corners=True), images)
    for axis, n in ((-3, size[0]), (-2, size[1])):
        images = _sampled(images, rank(images) + axis, n, mode, align_corners)
    return images


def _sampled(x: Any, axis: int, size: int, mode: str, align_corners: bool) -> Any:
    """One axis resized with pixel centres at whole numbers, as TensorFlow 1 did."""
    given = sizes_of(x)[axis]
    scale = (given - 1) / max(size - 1, 1) if align_corners else given / size
    places = [i * scale for i in range(size)]
    if mode == "nearest":
        at = [min(int(p + 0.5) if align_corners else int(p), given - 1) for p in places]
        return torch.index_select(x, axis, as_tensor(at))
    low = [min(int(p), given - 1) for p in places]
    high = [min(n + 1, given - 1) for n in low]
    shape = [size if i == axis else 1 for i in range(rank(x))]
    part = as_tensor([p - int(p) for p in places], like=x).reshape(shape)
    first, second = torch.index_select(x, axis, as_tensor(low)), torch.index_select(x, axis, as_tensor(high))
    return first + (second - first) * part


@TABLE.named("image.resize_bilinear")
def _resize_bilinear(images: Any, size: Any, align_corners: bool = False, half_pixel_centers: bool = False) -> Any:
    return _legacy_resize(images, size, "bilinear", align_corners, half_pixel_centers)


@TABLE.named("image.resize_nearest_neighbor")
def _resize_nearest(images: Any, size: Any, align_corners: bool = False, half_pixel_centers: bool = False) -> Any:
    return _legacy_resize(images, size, "nearest", align_corners, half_pixel_centers)


@TABLE.named("image.resize_bicubic")
def _resize_bicubic(images: Any, size: Any, align_corners: bool = False, half_pixel_centers: bool = False) -> Any:
    size, x = size_list(size), _float(images)
    if half_pixel_centers:
        return _resize(x, size, "bicubic")
    for axis, n in ((-3, size[0]), (-2, size[1])):
        weights = as_tensor(_cubic_weights(sizes_of(x)[axis], n, align_corners), like=x)
        x = torch.movedim(torch.matmul(torch.movedim(x, axis, -1), weights), -1, axis)
    return x


def _cubic_weights(given: int, size: int, align_corners: bool) -> list[list[float]]:
    """(given, size): what each new pixel takes from each old one, as TensorFlow 1 had it: the edge stands for what lies
    beyond, and distances are rounded to 1/1024."""
    scale = (given - 1) / (size - 1) if align_corners and size > 1 else given / size
    weights = [[0.0] * size for _ in range(given)]
    for new in range(size):
        base = int(new * scale)
        part = int((new * scale - base) * 1024 + 0.5) / 1024
        for step in (-1, 0, 1, 2):
            x = abs(part - step)
            near, far = (1.25 * x - 2.25) * x * x + 1, ((-0.75 * x + 3.75) * x - 6) * x + 3
            weights[min(max(base + step, 0), given - 1)][new] += near if x <= 1 else far
    return weights


@TABLE.named("image.resize_area")
def _resize_area(images: Any, size: Any, align_corners: bool = False) -> Any:
    if align_corners:
        raise ValueError(
            "image.resize_area with align_corners=True has no torch counterpart here. Give one, as a function of torch "
            "tensors: custom_objects={'tf.compat.v1.image.resize_area': function}."
        )
    return _resize(images, size, "area")


@TABLE.named("image.crop_to_bounding_box")
def _crop(image: Any, offset_height: int, offset_width: int, target_height: int, target_width: int) -> Any:
    rows, columns = (
        slice(offset_height, offset_height + target_height),
        slice(offset_width, offset_width + target_width),
    )
    return image[..., rows, columns, :]


@TABLE.named("image.pad_to_bounding_box")
def _pad(image: Any, offset_height: int, offset_width: int, target_height: int, target_width: int) -> Any:
    height, width = sizes_of(image)[-3:-1]
    sides = (offset_width, target_width - width - offset_width, offset_height, target_height - height - offset_height)
    return F.pad(image, [0, 0, *sides])


@TABLE.named("image.resize_with_crop_or_pad", "image.resize_image_with_crop_or_pad")
def _crop_or_pad(image: Any, target_height: int, target_width: int) -> Any:
    height, width = sizes_of(image)[-3:-1]
    cut_height, cut_width = min(height, target_height), min(width, target_width)
    image = _crop(image, (height - cut_height) // 2, (width - cut_width) // 2, cut_height, cut_width)
    return _pad(image, (target_height - cut_height) // 2, (target_width - cut_width) // 2, target_height, target_width)


@TABLE.named("image.resize_with_pad")
def _resize_with_pad(
    image: Any, target_height: int, target_width: int, method: Any = "bilinear", antialias: bool = False
) -> Any:
    height, width = sizes_of(image)[-3:-1]
    ratio = max(width / target_width, height / target_height)
    top, left = max(0, int((target_height - height / ratio) / 2)), max(0, int((target_width - width / ratio) / 2))
    inner = _resize(image, [int(height / ratio), int(width / ratio)], method, antialias=antialias)
    return _pad(inner, top, left, target_height, target_width)


@TABLE.named("image.central_crop")
def _central_crop(image: Any, central_fraction: float) -> Any:
    height, width = sizes_of(image)[-3:-1]
    top, left = (int((n - n * central_fraction) / 2) for n in (height, width))
    return _crop(image, top, left, height - 2 * top, width - 2 * left)


@TABLE.named("image.extract_patches", "image.extract_image_patches")
def _extract_patches(images: Any, sizes: Any, strides: Any, rates: Any, padding: str) -> Any:
    x = images.permute(0, 3, 1, 2)
    return patches(x, sizes[1:3], strides[1:3], rates[1:3], padding.upper() == "SAME")


@TABLE.named("image.crop_and_resize")
def _crop_and_resize(
    image: Any, boxes: Any, box_indices: Any, crop_size: Any, method: str = "bilinear", extrapolation_value: float = 0.0
) -> Any:
    boxes, indices = as_tensor(boxes, dtype=torch.float32), as_tensor(box_indices)
    return apply(crop_and_resize, image, boxes, indices, size_list(crop_size), method, extrapolation_value)


# Turning


@TABLE.named("image.flip_left_right")
def _flip_left_right(image: Any) -> Any:
    return torch.flip(image, [rank(image) - 2])


@TABLE.named("image.flip_up_down")
def _flip_up_down(image: Any) -> Any:
    return torch.flip(image, [rank(image) - 3])


@TABLE.named("image.rot90")
def _rot90(image: Any, k: int = 1) -> Any:
    return torch.rot90(image, k, [rank(image) - 3, rank(image) - 2])


@TABLE.named("image.transpose", "image.transpose_image")
def _transpose(image: Any) -> Any:
    return torch.transpose(image, -3, -2)


# Colours


def _float(image: Any) -> Any:
    image = as_tensor(image)
    return image if dtype_of(image).is_floating_point else image.to(torch.float32)


@TABLE.named("image.rgb_to_grayscale")
def _rgb_to_grayscale(images: Any) -> Any:
    dtype = dtype_of(images)
    if dtype.is_floating_point:
        return mixed(images, [[0.2989], [0.587], [0.114]])
    return _convert(mixed(_convert(images, "float32"), [[0.2989], [0.587], [0.114]]), dtype)


@TABLE.named("image.grayscale_to_rgb")
def _grayscale_to_rgb(images: Any) -> Any:
    return torch.cat([images] * 3, dim=-1)


TABLE.named("image.rgb_to_hsv")(lambda images: rgb_to_hsv(images))
TABLE.named("image.hsv_to_rgb")(lambda images: hsv_to_rgb(images))

for _name, _matrix in {
    "rgb_to_yiq": [[0.299, 0.59590059, 0.2115], [0.587, -0.27455667, -0.52273617], [0.114, -0.32134392, 0.31119955]],
    "yiq_to_rgb": [[1, 1, 1], [0.95598634, -0.27201283, -1.10674021], [0.6208248, -0.64720424, 1.70423049]],
    "rgb_to_yuv": [
        [0.299, -0.14714119, 0.61497538],
        [0.587, -0.28886916, -0.51496512],
        [0.114, 0.43601035, -0.10001026],
    ],
    "yuv_to_rgb": [[1, 1, 1], [0, -0.394642334, 2.03206185], [1.13988303, -0.58062185, 0]],
}.items():

    def _matrix_colours(images: Any, matrix: Any = _matrix) -> Any:
        return mixed(images, matrix)

    TABLE.named(f"image.{_name}")(_matrix_colours)


@TABLE.named("image.convert_image_dtype")
def _convert(image: Any, dtype: Any = "float32", saturate: bool = False) -> Any:
    image, dtype = as_tensor(image), torch_dtype(dtype)
    given = dtype_of(image)
    if given is dtype:
        return image
    if given.is_floating_point and dtype.is_floating_point:
        return image.to(dtype)
    if dtype.is_floating_point:
        return image.to(dtype) * (1 / torch.iinfo(given).max)
    if given.is_floating_point:
        scaled = image * (torch.iinfo(dtype).max + 0.5)
        return (torch.clamp(scaled, torch.iinfo(dtype).min, torch.iinfo(dtype).max) if saturate else scaled).to(dtype)
    bits = torch.iinfo(given).bits - torch.iinfo(dtype).bits
    return (
        torch.bitwise_right_shift(image, bits).to(dtype)
        if bits > 0
        else torch.bitwise_left_shift(image.to(dtype), -bits)
    )


def _on_floats(function: Any, image: Any) -> Any:
    dtype = dtype_of(image)
    if dtype.is_floating_point:
        return function(image)
    return _convert(function(_convert(image, "float32")), dtype, saturate=True)


@TABLE.named("image.adjust_brightness")
def _adjust_brightness(image: Any, delta: Any) -> Any:
    return _on_floats(lambda x: x + delta, image)


@TABLE.named("image.adjust_contrast")
def _adjust_contrast(images: Any, contrast_factor: Any) -> Any:
    def adjusted(x: Any) -> Any:
        middle = torch.mean(x, dim=[-3, -2], keepdim=True)
        return (x - middle) * contrast_factor + middle

    return _on_floats(adjusted, images)


@TABLE.named("image.adjust_gamma")
def _adjust_gamma(image: Any, gamma: Any = 1, gain: Any = 1) -> Any:
    return _on_floats(lambda x: gain * x**gamma, image)


@TABLE.named("image.adjust_saturation")
def _adjust_saturation(image: Any, saturation_factor: Any) -> Any:
    def adjusted(x: Any) -> Any:
        hsv = rgb_to_hsv(x)
        saturation = torch.clamp(hsv[..., 1:2] * saturation_factor, 0, 1)
        return hsv_to_rgb(torch.cat([hsv[..., :1], saturation, hsv[..., 2:]], dim=-1))

    return _on_floats(adjusted, image)


@TABLE.named("image.adjust_hue")
def _adjust_hue(image: Any, delta: Any) -> Any:
    def adjusted(x: Any) -> Any:
        hsv = rgb_to_hsv(x)
        return hsv_to_rgb(torch.cat([torch.remainder(hsv[..., :1] + delta, 1.0), hsv[..., 1:]], dim=-1))

    return _on_floats(adjusted, image)


@TABLE.named("image.per_image_standardization")
def _standardize(image: Any) -> Any:
    x = to_dtype(image, torch.float32)
    axes = [-3, -2, -1]
    count = 1
    for n in sizes_of(x)[-3:]:
        count = count * n
    least = count**-0.5
    deviation = torch.clamp(torch.std(x, dim=axes, keepdim=True, correction=0), min=least)
    return (x - torch.mean(x, dim=axes, keepdim=True)) / deviation


# Measures


@TABLE.named("image.total_variation")
def _total_variation(images: Any) -> Any:
    down = torch.abs(images[..., 1:, :, :] - images[..., :-1, :, :])
    right = torch.abs(images[..., :, 1:, :] - images[..., :, :-1, :])
    return torch.sum(down, dim=[-3, -2, -1]) + torch.sum(right, dim=[-3, -2, -1])


def _top(max_val: Any, image: Any) -> Any:
    """The largest value, given for the dtype of an image, where that goes from 0 to 1."""
    dtype = dtype_of(image)
    return max_val if dtype.is_floating_point else max_val / torch.iinfo(dtype).max


@TABLE.named("image.ssim")
def _ssim(
    img1: Any, img2: Any, max_val: Any, filter_size: int = 11, filter_sigma: float = 1.5, k1: float = 0.01, k2: float = 0.03,
    return_index_map: bool = False,
) -> Any:  # fmt: skip
    a, b = (_convert(x, "float32") for x in (img1, img2))
    light, contrast = similarity(a, b, _top(max_val, img1), filter_size, filter_sigma, k1, k2)
    return torch.mean(light * contrast, dim=-1 if return_index_map else [-3, -2, -1])


@TABLE.named("image.ssim_multiscale")
def _ssim_multiscale(
    img1: Any, img2: Any, max_val: Any, power_factors: Any = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333), filter_size: int = 11,
    filter_sigma: float = 1.5, k1: float = 0.01, k2: float = 0.03,
) -> Any:  # fmt: skip
    pair, top = [_convert(x, "float32") for x in (img1, img2)], _top(max_val, img1)
    total: Any = 1.0
    for scale, power in enumerate(power_factors):
        light, contrast = similarity(pair[0], pair[1], top, filter_size, filter_sigma, k1, k2)
        last = scale == len(power_factors) - 1
        found = torch.mean(light * contrast if last else contrast, dim=[-3, -2])
        total = total * torch.relu(found) ** power
        pair = pair if last else [channelled(_halved, x) for x in pair]
    return torch.mean(total, dim=-1)


def _halved(x: Any) -> Any:
    """(batch, channels, height, width) at half the size; an odd last row or column counts twice."""
    height, width = sizes_of(x)[-2:]
    return F.avg_pool2d(F.pad(x, [0, width % 2, 0, height % 2], mode="replicate"), 2)


@TABLE.named("image.psnr")
def _psnr(a: Any, b: Any, max_val: Any) -> Any:
    top = _top(max_val, a)
    a, b = (_convert(x, "float32") for x in (a, b))
    error = torch.mean(torch.square(a - b), dim=[-3, -2, -1])
    return 20 * torch.log10(torch.full_like(error, float(top))) - 10 * torch.log10(error)


@TABLE.named("image.image_gradients")
def _image_gradients(image: Any) -> Any:
    down = F.pad(image[:, 1:] - image[:, :-1], [0, 0, 0, 0, 0, 1])
    right = F.pad(image[:, :, 1:] - image[:, :, :-1], [0, 0, 0, 1])
    return [down, right]


@TABLE.named("image.sobel_edges")
def _sobel_edges(image: Any) -> Any:
    return sobel(image)


def sobel(image: Any) -> Any:
    """(batch, height, width, channels) -> (..., 2): the change down and to the right, by Sobel's kernels."""
    batch, height, width, channels = sizes_of(image)
    x = image.permute(0, 3, 1, 2).reshape([-1, 1, height, width])
    x = F.pad(x, [1, 1, 1, 1], mode="reflect").permute(0, 2, 3, 1)
    down = [[-1.0, -2.0, -1.0], [0.0, 0.0, 0.0], [1.0, 2.0, 1.0]]
    kernels = [[[[down[i][j], down[j][i]]] for j in range(3)] for i in range(3)]
    edges = convolve(x, kernels, 1, "valid", True)
    return edges.reshape([batch, channels, height, width, 2]).permute(0, 2, 3, 1, 4)
