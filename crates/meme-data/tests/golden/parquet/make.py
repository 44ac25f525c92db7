"""Makes the tables of this folder with pyarrow and Pillow: `python make.py` here.

Row n of every table is a picture of 3 x 2 pixels of the colour (n, 0, 255 - n).
"""

import io

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def png(value):
    out = io.BytesIO()
    Image.new("RGB", (3, 2), (value, 0, 255 - value)).save(out, "png")
    return out.getvalue()


def main():
    # As `datasets` of Hugging Face writes an image column; row 4 has no image.
    pictures = [{"bytes": png(n), "path": f"{n}.png"} for n in range(7)]
    pictures[4] = None
    table = pa.table({"label": pa.array(range(7), pa.int64()), "image": pictures})
    pq.write_table(table, "datasets.parquet", row_group_size=3, compression="snappy")

    # Pages of the second version, many to a row group, a dictionary, a second column of bytes, no compression.
    columns = {"key": [f"{n:03}" for n in range(40)], "jpg": [png(n) for n in range(40)], "other": [b"x"] * 40}
    pq.write_table(
        pa.table(columns), "pages.parquet", row_group_size=25, compression="none", data_page_version="2.0",
        data_page_size=64, write_batch_size=4,
    )

    # Nothing missing: what hostile files are made of.
    pq.write_table(pa.table({"image": [png(n) for n in range(3)]}), "snappy.parquet", compression="snappy")
    pq.write_table(pa.table({"image": [png(0)]}), "gzip.parquet", compression="gzip")
    pq.write_table(pa.table({"name": ["a"], "number": [1]}), "no-bytes.parquet")
    pq.write_table(pa.table({"one": [b"a"], "two": [b"b"]}), "two-columns.parquet")
    pq.write_table(pa.table({"image": pa.array([], pa.binary())}), "empty.parquet")


if __name__ == "__main__":
    main()
