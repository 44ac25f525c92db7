"""Prints normals.txt: an implementation of the documented layout that shares nothing with the crate.

Philox is written out from the paper with Python's big integers; logarithm, sine and cosine are mpmath's at 50
digits. Run: python make_normals.py > normals.txt   (mpmath 1.3.0)
"""
import struct

from mpmath import mp, mpf, log, sqrt, cos, sin, pi

mp.dps = 50


def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b % 2**32, (a >> 32) ^ c[3] ^ k[1], a % 2**32]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return c


def draws(seed, purpose, expert, image, block):
    counter = [block, purpose | expert << 16, image % 2**32, image >> 32]
    w = philox(counter, [seed % 2**32, seed >> 32])
    return w[0] | w[1] << 32, w[2] | w[3] << 32


print("# seed purpose expert image pair bits0 bits1 normal0 normal1")
for seed, purpose, expert, image in [
    (0, 1, 0, 0), (7, 4, 2, 31415), (2**64 - 1, 10, 65535, 2**64 - 1), (0x0123456789ABCDEF, 9, 3, 2**32 + 5),
]:
    for block in [0, 1, 2, 3, 1000, 2**32 - 1]:
        a, b = draws(seed, purpose, expert, image, block)
        u, v = mpf(a >> 11) / 2**53, mpf(b >> 11) / 2**53
        r = sqrt(-2 * log(1 - u))
        print(seed, purpose, expert, image, block, a, b, mp.nstr(r * cos(2 * pi * v), 20), mp.nstr(r * sin(2 * pi * v), 20))



hash = 0xCBF29CE484222325  # FNV-1a
for block in range(5000):
    a, b = draws(42, 15, 1, 2, block)
    u, v = mpf(a >> 11) / 2**53, mpf(b >> 11) / 2**53
    r = sqrt(-2 * log(1 - u))
    for value in (r * cos(2 * pi * v), r * sin(2 * pi * v)):
        for byte in struct.pack("<f", float(value)):
            hash = (hash ^ byte) * 0x100000001B3 % 2**64
print("# FNV-1a of the float32 bytes of normals 0..10000 of stream (42, 15, 1, 2):", hash)
