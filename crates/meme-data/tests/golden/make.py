"""Makes the golden pictures of this folder with other people's code: Pillow, OpenCV and numpy.

Run in this folder with opencv-python-headless, pillow and numpy installed; see README.md.
"""

import cv2
import numpy as np
from PIL import Image

PIL_FILTERS = {
    "pil-box": Image.Resampling.BOX,
    "pil-bilinear": Image.Resampling.BILINEAR,
    "pil-bicubic": Image.Resampling.BICUBIC,
    "pil-lanczos": Image.Resampling.LANCZOS,
}
RESOLUTIONS = (7, 24)
rng = np.random.default_rng(20240501)


def picture(height, width):
    """Noise on a gradient: every pixel differs, every filter overshoots somewhere."""
    rows, columns = np.mgrid[0:height, 0:width]
    smooth = np.stack([255 * columns / width, 255 * rows / height, 255 - 255 * columns / width], -1)
    noisy = smooth * 0.4 + rng.integers(0, 256, (height, width, 3)) * 0.6
    noisy[:3, :3] = 255
    noisy[-3:, -3:] = 0
    return noisy.round().astype(np.uint8)


def resized(source, name, resolution):
    """Shorter side to resolution (the longer rounded, halves to even), then the centre."""
    height, width = source.shape[:2]
    scale = resolution / min(height, width)
    height, width = round(height * scale), round(width * scale)
    if name == "opencv-bilinear":
        whole = cv2.resize(source, (width, height), interpolation=cv2.INTER_LINEAR)
    else:
        whole = np.asarray(Image.fromarray(source).resize((width, height), PIL_FILTERS[name]))
    top, left = (height - resolution) // 2, (width - resolution) // 2
    return whole[top : top + resolution, left : left + resolution]


def resizing():
    sources = {"wide": picture(19, 31), "tall": picture(40, 23)}
    for name, source in sources.items():
        Image.fromarray(source).save(f"resize-source-{name}.png")
    for name in ["opencv-bilinear", *PIL_FILTERS]:
        sheet = np.zeros((2 * sum(RESOLUTIONS), max(RESOLUTIONS), 3), np.uint8)
        top = 0
        for source in sources.values():
            for side in RESOLUTIONS:
                sheet[top : top + side, :side] = resized(source, name, side)
                top += side
        Image.fromarray(sheet).save(f"resize-{name}.png")


def expect(name, rgb):
    Image.fromarray(np.asarray(rgb).astype(np.uint8)).save(f"decode-{name}.expected.png")


def on_white(rgba, top):
    """Straight alpha over white, exact, rounded to nearest."""
    rgba = rgba.astype(np.float64)
    alpha = rgba[..., 3:] / top
    return np.rint((rgba[..., :3] * alpha / top + 1 - alpha) * 255)


def decoding():
    height, width = 8, 12
    rows, columns = np.mgrid[0:height, 0:width]
    smooth = np.stack([40 + 15 * columns, 30 + 25 * rows, 220 - 10 * columns - 5 * rows], -1)
    smooth = smooth.astype(np.uint8)
    grey = smooth[..., 0]
    alpha = (20 * columns + 3 * rows).astype(np.uint8)
    rgba = np.dstack([smooth, alpha])

    Image.fromarray(smooth).save("decode-rgb.png")
    expect("rgb", smooth)
    Image.fromarray(grey).save("decode-grey.png")
    expect("grey", np.dstack([grey] * 3))
    bits = (columns + rows) % 3 == 0
    Image.fromarray(bits).save("decode-one-bit.png")
    expect("one-bit", np.dstack([bits * 255] * 3))
    Image.fromarray(rgba).save("decode-rgba.png")
    expect("rgba", on_white(rgba, 255))
    Image.fromarray(np.dstack([grey, alpha])).save("decode-grey-alpha.png")
    expect("grey-alpha", on_white(np.dstack([grey, grey, grey, alpha]), 255))

    wide = (smooth.astype(np.uint32) * 257 + 97 * columns[..., None]).clip(0, 65535).astype(np.uint16)
    cv2.imwrite("decode-rgb16.png", wide[..., ::-1])
    expect("rgb16", np.rint(wide / 257))
    cv2.imwrite("decode-grey16.png", wide[..., 0])
    expect("grey16", np.dstack([np.rint(wide[..., 0] / 257)] * 3))

    palette = Image.fromarray((columns + rows).astype(np.uint8) % 5, "P")
    colours = [10, 20, 30, 200, 0, 0, 0, 200, 0, 0, 0, 200, 250, 240, 10]
    palette.putpalette(colours)
    palette.save("decode-palette.png")
    expect("palette", np.asarray(palette.convert("RGB")))
    palette.save("decode-palette-clear.png", transparency=bytes([255, 128, 0, 255, 255]))
    clear = np.asarray(Image.open("decode-palette-clear.png").convert("RGBA"))
    expect("palette-clear", on_white(clear, 255))

    image = Image.fromarray(smooth)
    for name, options in {
        "baseline": {"subsampling": 0},
        "subsampled": {"subsampling": 2},
        "progressive": {"progressive": True},
    }.items():
        image.save(f"decode-{name}.jpg", quality=95, **options)
        expect(name, Image.open(f"decode-{name}.jpg").convert("RGB"))
    Image.fromarray(grey).save("decode-grey.jpg", quality=95)
    expect("grey-jpeg", Image.open("decode-grey.jpg").convert("RGB"))
    image.convert("CMYK").save("decode-cmyk.jpg", quality=95)
    expect("cmyk", Image.open("decode-cmyk.jpg").convert("RGB"))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        image.save(f"decode-exif-{orientation}.jpg", quality=95, subsampling=0, exif=exif)
        from PIL import ImageOps

        upright = ImageOps.exif_transpose(Image.open(f"decode-exif-{orientation}.jpg"))
        expect(f"exif-{orientation}", upright.convert("RGB"))
    Image.fromarray(rgba).save("decode-lossless.webp", lossless=True, exact=True)
    expect("lossless", on_white(rgba, 255))
    image.save("decode-lossy.webp", quality=95)
    expect("lossy", Image.open("decode-lossy.webp").convert("RGB"))


resizing()
decoding()
