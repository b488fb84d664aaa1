#!/usr/bin/env python3
"""Makes marc8.bin, the characters of MARC-8, from the tables in pymarc 5.4.0, which are those of the Library of Congress
(https://www.loc.gov/marc/specifications/codetables.xml).

Usage: pip install pymarc==5.4.0 && python3 marc8_tables.py > marc8.bin

For each set: its final byte, the number of characters (16 bits), then for each character, ascending by code: the
distance to the code before, less one (a varint, seven bits a byte, low ones first; the first from -1), twice, plus one
if it combines with the letter behind it; then its code point (16 bits). All little-endian."""

import sys

from pymarc.marc8_mapping import CODESETS

IS_ASCII = {0x42}


def varint(number: int) -> bytes:
    out = b""
    while number >= 128:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


for final, table in sorted(CODESETS.items()):
    if final in IS_ASCII:
        continue
    out = bytes([final]) + len(table).to_bytes(2, "little")
    before = -1
    for code, (point, combines) in sorted(table.items()):
        distance = code - before - 1
        out += varint(distance * 2 + bool(combines)) + point.to_bytes(2, "little")
        before = code
    sys.stdout.buffer.write(out)
