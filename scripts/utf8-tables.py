#!/usr/bin/env python3
"""Writes src/lib/utf8_tables.h: the scalars that take no column or two on a terminal.

Source: the Unicode Character Database as Python carries it (general category, East Asian width).
Run by hand when a newer Unicode matters: scripts/utf8-tables.py > src/lib/utf8_tables.h
"""

import unicodedata


def zero(c):
    """Combining marks and format characters; the soft hyphen shows, medial jamo join the one before."""
    if c == 0xAD:
        return False
    return unicodedata.category(chr(c)) in ("Mn", "Me", "Cf") or 0x1160 <= c <= 0x11FF


def wide(c):
    return unicodedata.east_asian_width(chr(c)) in "WF" and not zero(c)


def ranges(wanted):
    start = None
    for c in range(0xA0, 0x110001):
        inside = c < 0x110000 and not 0xD800 <= c <= 0xDFFF and wanted(c)
        if inside and start is None:
            start = c
        elif not inside and start is not None:
            yield start, c - 1
            start = None


def table(name, wanted):
    print(f"static const struct utf8_range {name}[] = {{")
    cells = [f"{{0x{a:04x}, 0x{b:04x}}}," for a, b in ranges(wanted)]
    for i in range(0, len(cells), 4):
        print("\t" + " ".join(cells[i : i + 4]))
    print("};")


print(f"/* Made by scripts/utf8-tables.py from Unicode {unicodedata.unidata_version}. */")
print("/* clang-format off */\n#ifndef UTF8_TABLES_H\n#define UTF8_TABLES_H\n#include <stdint.h>\n")
print("struct utf8_range {\n\tuint32_t first, last;\n};\n")
table("utf8_zero", zero)
print()
table("utf8_wide", wide)
print("/* clang-format on */\n#endif")
